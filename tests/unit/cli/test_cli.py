"""The root command: what it lists, how fast, and how errors look."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from simplevoice import __version__
from simplevoice.cli import COMMANDS, Program, main
from simplevoice.errors import ConfigError, SimpleVoiceError

NAMES = [name for group in COMMANDS.values() for name in group]


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def test_version() -> None:
    assert invoke("--version").output == f"simplevoice {__version__}\n"


def test_help_lists_every_command_with_its_line() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for commands in COMMANDS.values():
        for name, line in commands.items():
            assert f"  {name}  " in result.output
            assert line in result.output


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"], prog_name="simplevoice")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: simplevoice {name} ")


def test_no_command_shows_the_help_and_is_an_error() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "Talking:" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["sreve"], "error: No such command 'sreve'. Did you mean 'serve'? See "),
        (["serve", "--prot", "1"], "error: No such option '--prot'. (Did you mean one of: '--host', '--port'?) See "),
        (["talk", "--binary"], "error: --binary needs --file or --text. See "),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(args: list[str], line: str) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def raising(error: BaseException) -> Program:
    """Make a program whose only command raises."""

    class Raising(Program):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            def fail() -> None:
                raise error

            return click.Command(cmd_name, callback=fail)

    return Raising("simplevoice")


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (ConfigError(["one", "two"]), 2, "error: one\nerror: two\n"),
        (SimpleVoiceError("broken"), 1, "error: broken\n"),
        (click.ClickException("failed"), 1, "error: failed\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_failures_are_lines_and_codes(error: BaseException, code: int, stderr: str) -> None:
    result = CliRunner().invoke(raising(error), ["x"])
    assert (result.exit_code, result.stderr, result.stdout) == (code, stderr, "")


def test_a_commands_number_is_the_exit_code() -> None:
    program: Callable[..., Any] = Program("p", callback=lambda: 7, invoke_without_command=True)
    assert CliRunner().invoke(program, []).exit_code == 7  # type: ignore[arg-type]  # click's own type of main


HEAVY = {"aiohttp", "av", "numpy", "pydub", "rich", "structlog"}


@pytest.mark.parametrize("args", [["--help"], ["serve", "--help"], ["talk", "--help"], ["status", "--help"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    code = f"""
import sys
from simplevoice.cli import main
try:
    main({args!r})
except SystemExit:
    print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert run.stdout.startswith("Usage: ")
    assert run.stderr.split() == []


@pytest.mark.parametrize("name", NAMES)
def test_help_fits_a_terminal_of_80_columns(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"], prog_name="simplevoice", env={"COLUMNS": "80"})
    assert [line for line in result.output.splitlines() if len(line) > 80] == []
