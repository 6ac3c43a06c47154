"""Flags made from the settings: every one is there, documented, and reaches the configuration."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simplevoice.cli import main
from simplevoice.config.table import SECTIONS, SETTINGS, Setting


def print_config(*args: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["serve", "--print-config", *args], env=environ)


CANDIDATES = (
    "unix",
    "0.5",
    "0.25",
    "1",
    "2",
    "400",
    "5000",
    "http://127.0.0.1:1/v1",
    "/api",
    "https://example.org",
    "+10%",
    "simplevoice.tts=debug",
)
NEEDED = {
    **{f"SIMPLEVOICE_{room}_BASE_URL": "http://127.0.0.1:1/v1" for room in ("STT", "LLM")},
    **{f"SIMPLEVOICE_TLS_{file}": f"{file}.pem" for file in ("CERT", "KEY")},
}
"""What other settings need beside them: remote engines a server, a certificate its key."""


def other_value(setting: Setting) -> str:
    """Make a valid text that isn't the default."""
    if setting.table:
        return "[{}]"
    texts = setting.choices or CANDIDATES
    return next(text for text in texts if _allowed(setting, text) and setting.parse(text) != setting.default)


def _allowed(setting: Setting, text: str) -> bool:
    try:
        setting.parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_has_a_flag_that_works(setting: Setting) -> None:
    if setting.kind is bool:
        args = [f"--no-{setting.flag[2:]}" if setting.default else setting.flag]
    else:
        args = [setting.flag, other_value(setting)]
    result = print_config(*args, **NEEDED)
    assert f"# {setting.flag}" in result.stdout, result.stderr
    assert tomllib.loads(result.stdout)[setting.section][setting.name] != setting.default


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_in_the_help(setting: Setting) -> None:
    shown = " ".join(CliRunner().invoke(main, ["serve", "--help"]).output.split())
    assert f" {setting.flag} " in shown
    assert setting.description in shown


def test_the_help_is_grouped_by_section() -> None:
    lines = CliRunner().invoke(main, ["serve", "--help"]).output.splitlines()
    assert [line.split("]")[0][1:] for line in lines if line.startswith("[")] == list(SECTIONS)


def test_a_repeated_flag_is_a_list() -> None:
    result = print_config("--path-prefix", "/a", "--path-prefix", "/b")
    assert tomllib.loads(result.stdout)["server"]["path_prefixes"] == ["/a", "/b"]


def test_a_flag_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[limits]\nsessions = 1\nhistory_turns = 1\nmax_connections = 1\n")
    environ = {"SIMPLEVOICE_LIMITS_SESSIONS": "2", "SIMPLEVOICE_LIMITS_HISTORY_TURNS": "2"}
    limits = tomllib.loads(print_config("--config", str(file), "--limits-sessions", "3", **environ).stdout)["limits"]
    assert (limits["sessions"], limits["history_turns"], limits["max_connections"]) == (3, 2, 1)


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[server]\nport = 77\n")
    result = print_config(SIMPLEVOICE_CONFIG=str(file))
    assert tomllib.loads(result.stdout)["server"]["port"] == 77


def test_every_wrong_setting_is_told_at_once_with_exit_code_2() -> None:
    result = print_config("--port", "x", "--stt-engine", "gpt", SIMPLEVOICE_LLM_SLOTS="0")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        'error: llm.slots, from SIMPLEVOICE_LLM_SLOTS, is "0"; it must be a whole number from 1 to 64',
        'error: server.port, from --port, is "x"; it must be a whole number from 0 to 65535',
        'error: stt.engine, from --stt-engine, is "gpt"; it must be one of whisper, openai',
    ]


def test_secrets_are_masked() -> None:
    result = print_config(SIMPLEVOICE_LLM_API_KEY="very-secret-key")
    assert result.exit_code == 0
    assert "very-secret" not in result.output
