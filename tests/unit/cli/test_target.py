"""Where client commands connect."""

from pathlib import Path

import click
import pytest
import trustme
from click.testing import CliRunner, Result

from simplevoice.cli.target import DEFAULT_URL, Target, chat_url, target_options


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/ws/simple-voice-chat"),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/ws/simple-voice-chat"),
        ("https://voice.example.org", "wss://voice.example.org/ws/simple-voice-chat"),
        ("wss://h/api/v1/ws/simple-voice-chat", "wss://h/api/v1/ws/simple-voice-chat"),
        ("ws://[::1]:9/ws/simple-voice-chat?x=1#y", "ws://[::1]:9/ws/simple-voice-chat"),
    ],
)
def test_chat_url(text: str, url: str) -> None:
    assert chat_url(text) == url


@pytest.mark.parametrize("text", ["", "localhost:8000", "ftp://h", "ws://", "ws://h:port", "ws://h:99999", "ws://h:0"])
def test_chat_url_refuses(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no URL such as"):
        chat_url(text)


def test_status_url() -> None:
    assert Target("wss://h/api/v1/ws/simple-voice-chat").status_url == "https://h/api/v1/ws/simple-voice-chat/status"
    assert Target("ws://h:1/ws/simple-voice-chat").status_url == "http://h:1/ws/simple-voice-chat/status"


def test_headers() -> None:
    assert Target("ws://h", "t").headers == {"Authorization": "Bearer t"}
    assert Target("ws://h").headers == {}


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
