"""Which daemon a client command speaks to: the options, what they say, and the URLs made from them."""

import functools
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click
import msgspec

CHAT_PATH = "/ws/simple-voice-chat"
DEFAULT_URL = f"ws://127.0.0.1:8000{CHAT_PATH}"
TOKEN_VARIABLE = "SIMPLEVOICE_CLIENT_TOKEN"  # noqa: S105 - its name
MAX_TOKEN_FILE_BYTES = 65_536
_WEBSOCKET = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HTTP = {"ws": "http", "wss": "https"}


class Target(msgspec.Struct, frozen=True):
    """A daemon: the URL of its conversation, the token to present, and whom to believe its certificate.

    Without ``tls`` these are the authorities that the system trusts.
    """

    url: str
    token: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def status_url(self) -> str:
        """Tell the HTTP URL of its status."""
        parts = urlsplit(self.url)
        return urlunsplit((_HTTP[parts.scheme], parts.netloc, f"{parts.path}/status", "", ""))

    @property
    def headers(self) -> dict[str, str]:
        """Make the headers that present the token."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``daemon``, this machine's daemon unless another is named."""
    return optional_target(DEFAULT_URL, "The daemon's conversation.")(command)


def optional_target(default: str | None, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``daemon``; without a default it is None where no URL is given."""
    options = (
        click.option(
            "--url",
            default=default,
            show_default=True,
            envvar="SIMPLEVOICE_CLIENT_URL",
            callback=lambda _context, _option, value: None if value is None else chat_url(value),
            help=f"{what} A bare ws://HOST:PORT does, too.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar="SIMPLEVOICE_CLIENT_TOKEN_FILE",
            help=f"File that holds the token to present, alone or as name:token.  [default: {TOKEN_VARIABLE}]",
        ),
        click.option(
            "--ca",
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar="SIMPLEVOICE_CLIENT_CA",
            help="PEM file of the authorities to trust with wss://.  [default: the system's]",
        ),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*args: Any, url: str | None, token_file: Path | None, ca: Path | None, **rest: Any) -> Any:
            daemon = None if url is None else Target(url, _token(token_file), _trusting(ca))
            return command(*args, daemon=daemon, **rest)

        return functools.reduce(lambda decorated, option: option(decorated), reversed(options), run)

    return decorate


def _token(file: Path | None) -> str | None:
    """Read the token from a file or, so that it never stands on a command line, from the environment."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        with file.open(encoding="utf-8") as opened:
            lines = opened.read(MAX_TOKEN_FILE_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--token-file {file} can't be read: {_reason(error)}.") from None
    tokens = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(tokens) != 1:
        raise click.UsageError(f"--token-file {file} holds {len(tokens)} tokens; one is needed.")
    return tokens[0].rpartition(":")[2]


def _trusting(ca: Path | None) -> ssl.SSLContext | None:
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise click.UsageError(f"--ca {ca} holds no certificate that can be read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def chat_url(text: str) -> str:
    """Return the WebSocket URL of the conversation, or raise BadParameter."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in _WEBSOCKET and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        valid = False
    if not valid:
        raise click.BadParameter(f"{text!r} is no URL such as {DEFAULT_URL}.")
    path = parts.path.rstrip("/") or CHAT_PATH
    return urlunsplit((_WEBSOCKET[parts.scheme], parts.netloc, path, "", ""))
