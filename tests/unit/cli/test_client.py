"""The client of talk: why there is no connection, in one line."""

import socket
import ssl
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
import trustme
from aiohttp.client_reqrep import ConnectionKey

from simplevoice import protocol
from simplevoice.cli.client import ConnectionFailedError, converse, why_unreachable
from simplevoice.cli.target import Target
from tests.fakes.daemon import FakeDaemon

URL = "ws://h:1/ws/simple-voice-chat"


def answered(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(cast(Any, SimpleNamespace(real_url=URL)), (), status=status, message="Why")


def not_connected(error: OSError) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(cast(ConnectionKey, SimpleNamespace(ssl=True, host="h", port=1)), error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (answered(401), "the daemon wants a valid token: use --token-file or SIMPLEVOICE_CLIENT_TOKEN"),
        (answered(421), f"the daemon does not answer to the name in {URL}; its server.allowed_hosts does not list it"),
        (answered(429), "the daemon takes no more connections from this address, or with this token"),
        (answered(404), f"{URL} is not a simplevoice daemon, or has another path prefix"),
        (answered(503), "the daemon takes no connection now: it is full, starting or shutting down"),
        (answered(502), f"{URL} answered 502 Why"),
        (TimeoutError(), f"{URL} does not answer"),
        (aiohttp.ServerDisconnectedError("gone"), f"{URL}: gone"),
        (
            not_connected(ConnectionRefusedError(111, "Connect call failed")),
            f"no daemon answers at {URL}: Connection refused. Start one with: simplevoice serve",
        ),
        (
            not_connected(socket.gaierror(-2, "Name or service not known")),
            f"no daemon answers at {URL}: [Errno -2] Name or service not known. Start one with: simplevoice serve",
        ),
    ],
)
def test_why_unreachable(error: Exception, words: str) -> None:
    assert why_unreachable(URL, error) == words


async def test_limits_are_those_that_the_daemon_told() -> None:
    with FakeDaemon().running() as daemon:
        async with converse(Target(daemon.url), {"connection_id": "c"}, lambda _: None) as conversation:
            assert conversation.limits.max_audio_bytes == 2**16
            answer = await conversation.turn(protocol.TextMessage(text="hello"), 5)
    assert isinstance(answer, protocol.VoiceResponse)


async def test_another_first_message_is_no_conversation() -> None:
    with FakeDaemon().running() as daemon:
        daemon.opening = [protocol.Pong()]
        with pytest.raises(ConnectionFailedError, match="did not begin with connection_established"):
            async with converse(Target(daemon.url), {}, lambda _: None):
                pass


async def test_an_unknown_message_is_told() -> None:
    class Future(protocol.ServerMessage, frozen=True, tag="from_the_future"):
        pass

    unknown = pytest.raises(ConnectionFailedError, match="what this version does not understand")
    with FakeDaemon(lambda _: [Future()]).running() as daemon, unknown:
        async with converse(Target(daemon.url), {}, lambda _: None) as conversation:
            await conversation.turn(b"audio", 5)


async def test_tls_with_an_authority_of_ones_own() -> None:
    authority = trustme.CA()
    serving, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    with FakeDaemon(tls=serving).running() as daemon:
        async with converse(Target(daemon.url, tls=trusting), {"connection_id": "c"}, lambda _: None) as conversation:
            assert conversation.limits.max_audio_bytes == 2**16
        with pytest.raises(ConnectionFailedError, match=r"is not trusted: unable to get local issuer.*; see --ca"):
            async with converse(Target(daemon.url), {}, lambda _: None):
                pass
    with FakeDaemon().running() as daemon:
        secure = daemon.url.replace("ws:", "wss:")
        with pytest.raises(ConnectionFailedError, match="does not speak TLS as it should"):
            async with converse(Target(secure), {}, lambda _: None):
                pass
