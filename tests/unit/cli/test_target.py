"""Where client commands connect."""

from pathlib import Path

import click
import pytest
import trustme
from click.testing import CliRunner, Result

from simplevoice.address import DEFAULT_URL
from simplevoice.cli.target import Target, target_options


@click.command()
@target_options
def show(daemon: Target) -> None:
    click.echo(f"{daemon.url} {daemon.token} {None if daemon.tls is None else len(daemon.tls.get_ca_certs())}")


def run(*args: str, **environ: str) -> Result:
    return CliRunner().invoke(show, args, env={"SIMPLEVOICE_CLIENT_TOKEN": None, **environ})


@pytest.mark.parametrize("content", ["secret-token", "\n# mine\n  kitchen:secret-token\n", "kitchen:secret-token"])
def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    expected = f"{DEFAULT_URL} secret-token None\n"
    assert run("--token-file", str(file)).stdout == expected
    assert run(SIMPLEVOICE_CLIENT_TOKEN_FILE=str(file), SIMPLEVOICE_CLIENT_TOKEN="other").stdout == expected
    assert run(SIMPLEVOICE_CLIENT_TOKEN="secret-token").stdout == expected
    assert run().stdout == f"{DEFAULT_URL} None None\n"


def test_a_token_never_stands_on_the_command_line() -> None:
    assert "No such option" in run("--token", "secret").stderr


def test_a_token_file_holds_one_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    assert "can't be read: No such file or directory." in run("--token-file", str(file)).stderr
    file.write_text("a:secret-1\nb:secret-2\n")
    result = run("--token-file", str(file))
    assert "holds 2 tokens; one is needed." in result.stderr
    assert "secret" not in result.stderr
    file.write_bytes(b"\xff")
    assert "can't be read" in run("--token-file", str(file)).stderr


def test_whose_certificates_are_trusted(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    assert run("--ca", str(file)).stdout == f"{DEFAULT_URL} None 1\n"
    file.write_text("rubbish")
    assert "holds no certificate that can be read" in run("--ca", str(file)).stderr
    assert "holds no certificate that can be read" in run("--ca", str(tmp_path / "none.pem")).stderr
