"""Which daemon a client command speaks to: the options, and the URLs made from them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click

CHAT_PATH = "/ws/simple-voice-chat"
DEFAULT_URL = f"ws://127.0.0.1:8000{CHAT_PATH}"
_WEBSOCKET = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HTTP = {"ws": "http", "wss": "https"}


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``url`` and ``token``."""
    return optional_target(DEFAULT_URL, "The daemon's conversation.")(command)


def optional_target(default: str | None, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``url``, with a default of its own or None, and ``token``."""
    url = click.option(
        "--url",
        default=default,
        show_default=True,
        envvar="SIMPLEVOICE_CLIENT_URL",
        callback=lambda _context, _option, value: None if value is None else chat_url(value),
        help=f"{what} A bare ws://HOST:PORT does, too.",
    )
    token = click.option(
        "--token",
        envvar="SIMPLEVOICE_CLIENT_TOKEN",
        help="Token to present. SIMPLEVOICE_CLIENT_TOKEN keeps it out of the list of processes.",
    )
    return lambda command: url(token(command))


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


def status_url(url: str) -> str:
    """Return the HTTP URL of the status that belongs to a conversation's URL."""
    parts = urlsplit(url)
    return urlunsplit((_HTTP[parts.scheme], parts.netloc, f"{parts.path}/status", "", ""))


def authorization(token: str | None) -> dict[str, str]:
    """Return the headers that present a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}
