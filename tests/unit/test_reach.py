"""Why there is no connection, in one line for people."""

import socket
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from simplevoice.reach import describe_error, http_session, unreachable
from tests.fakes.daemon import failure

URL = "ws://h:1/ws/simple-voice-chat"


def answered(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(cast(Any, SimpleNamespace(real_url=URL)), (), status=status, message="Why")


def not_connected(error: OSError) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(cast(ConnectionKey, SimpleNamespace(ssl=True, host="h", port=1)), error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (answered(401), "the daemon wants a valid token"),
        (answered(421), f"the daemon does not answer to the name in {URL}; its server.allowed_hosts does not list it"),
        (answered(429), "the daemon takes no more connections from this address, or with this token"),
        (answered(404), f"{URL} is not a simplevoice daemon, or has another path prefix"),
        (answered(503), "the daemon takes no connection now: it is full, starting or shutting down"),
        (answered(502), f"{URL} answered 502 Why"),
        (TimeoutError(), f"{URL} does not answer"),
        (aiohttp.ServerDisconnectedError("gone"), f"{URL}: gone"),
        (
            not_connected(ConnectionRefusedError(111, "Connect call failed")),
            f"no daemon answers at {URL}: Connection refused",
        ),
        (
            not_connected(socket.gaierror(-2, "Name or service not known")),
            f"no daemon answers at {URL}: Name or service not known",
        ),
    ],
)
def test_unreachable(error: Exception, words: str) -> None:
    failed = unreachable(URL, error)
    assert str(failed) == words
    assert failed.status == getattr(error, "status", None)


def test_an_error_is_said_with_its_facts() -> None:
    assert describe_error(failure()) == 'AUDIO_DECODE_FAILED: The recording can\'t be read. {"format":"wav"}'


@pytest.mark.parametrize(("token", "headers"), [("t", {"Authorization": "Bearer t"}), (None, {})])
async def test_the_session_presents_the_token(token: str | None, headers: dict[str, str]) -> None:
    async with http_session(token, None) as session:
        assert dict(session.headers) == headers
