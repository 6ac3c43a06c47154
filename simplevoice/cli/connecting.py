"""The client for commands: connects to the daemon that the options name, and says which option helps when it can't."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Unpack

import aiohttp

from simplevoice import client, reach
from simplevoice.cli.target import TOKEN_VARIABLE, Target
from simplevoice.client import Conversation, Opening
from simplevoice.errors import ConnectionFailedError


def converse(
    daemon: Target, on_text: Callable[[str], None] | None = None, **opening: Unpack[Opening]
) -> AbstractAsyncContextManager[Conversation]:
    """Connect to the daemon, as ``simplevoice.client.connect`` does."""
    return client.connect(daemon.url, token=daemon.token, tls=daemon.tls, on_text=on_text, **opening)


def http_session(daemon: Target, **options: Any) -> aiohttp.ClientSession:
    """Make the HTTP client for the daemon."""
    return reach.http_session(daemon.token, daemon.tls, **options)


def with_hint(error: ConnectionFailedError) -> str:
    """Say why there is no connection, and what to do about it on a command line."""
    if error.status == 401:
        return f"{error}: use --token-file or {TOKEN_VARIABLE}"
    match error.__cause__:
        case aiohttp.ClientConnectorCertificateError():
            return f"{error}; see --ca"
        case aiohttp.ClientConnectorError() as cause if not isinstance(cause, aiohttp.ClientConnectorSSLError):
            return f"{error}. Start one with: simplevoice serve"
        case _:
            return str(error)
