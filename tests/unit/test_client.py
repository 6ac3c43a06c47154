"""The client that programs use, against a real server."""

import asyncio
import socket
import ssl
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import ANY

import aiohttp
import msgspec
import pytest
import trustme
from aiohttp.client_reqrep import ConnectionKey

from simplevoice import client, protocol
from simplevoice.client import Opening, connect, unreachable
from simplevoice.errors import ConnectionFailedError
from simplevoice.server.opening import TURN_PARAMETERS
from tests.fakes.daemon import TOKEN, FakeDaemon, Reply, failure, voice_response

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
            f"no daemon answers at {URL}: [Errno -2] Name or service not known",
        ),
    ],
)
def test_unreachable(error: Exception, words: str) -> None:
    failed = unreachable(URL, error)
    assert str(failed) == words
    assert failed.status == getattr(error, "status", None)


def chunk(seq: int, sound: bytes, *, inside: bool = False) -> protocol.AudioChunk:
    told: Any = {"audio_base64": sound} if inside else {}
    return protocol.AudioChunk(turn_id="t1", seq=seq, format="mp3", sample_rate=24_000, size=len(sound), **told)


def streamed() -> protocol.VoiceResponse:
    return voice_response(audio_base64=msgspec.UNSET)


def test_an_opening_is_what_the_protocol_takes() -> None:
    assert set(Opening.__annotations__) == {*protocol.OpeningParameters.__struct_fields__, *TURN_PARAMETERS}


async def test_a_turn_is_answered() -> None:
    with FakeDaemon().running() as daemon:
        async with connect(daemon.url, connection_id="c", language="en", half_duplex=True) as conversation:
            assert conversation.limits.max_audio_bytes == 2**16
            assert conversation.established.config.language == "en"
            answer = await conversation.turn(protocol.TextMessage(text="hello"), 5)
        assert daemon.queries == [{"connection_id": "c", "language": "en", "half_duplex": "true"}]
    assert isinstance(answer, protocol.VoiceResponse)
    assert answer.audio_base64 == b"sound"


@pytest.mark.parametrize(
    "replies",
    [
        [chunk(0, b"so", inside=True), chunk(1, b"und", inside=True), streamed()],
        [chunk(0, b"so"), b"so", chunk(1, b"und"), b"und", streamed()],
    ],
    ids=["base64", "binary"],
)
async def test_a_streamed_turn_has_its_sound_however_it_travels(replies: list[Reply]) -> None:
    with FakeDaemon(lambda _: replies).running() as daemon:
        async with connect(daemon.url, response_mode="stream") as conversation:
            messages = [m async for m in conversation.ask(protocol.TextMessage(text="hello"))]
            assert [m.audio_base64 for m in messages if isinstance(m, protocol.AudioChunk)] == [b"so", b"und"]
            answer = await conversation.turn(protocol.TextMessage(text="hello"), 5)
    assert isinstance(answer, protocol.VoiceResponse)
    assert answer.audio_base64 == b"sound"


async def test_sound_that_is_late_finds_its_announcement_after_a_receiver_gave_up() -> None:
    with FakeDaemon(lambda m: [b"sound"] if isinstance(m, protocol.Ping) else [chunk(0, b"sound")]).running() as daemon:
        async with connect(daemon.url) as conversation:
            await conversation.send(b"question")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await conversation.receive()
            await conversation.send(protocol.Ping())
            assert await conversation.receive() == msgspec.structs.replace(
                chunk(0, b"sound", inside=True), timestamp=ANY
            )


@pytest.mark.parametrize(
    ("replies", "words"),
    [([b"sound"], "sent sound that it had not announced"), ([chunk(0, b"a"), chunk(1, b"b")], "that it did not send")],
)
async def test_sound_without_its_announcement_or_the_other_way_is_told(replies: list[Reply], words: str) -> None:
    with FakeDaemon(lambda _: replies).running() as daemon:
        async with connect(daemon.url) as conversation:
            with pytest.raises(ConnectionFailedError, match=words):
                await conversation.turn(b"question", 5)


async def test_a_lost_connection_tells_its_code() -> None:
    with FakeDaemon(lambda _: [1011]).running() as daemon:
        async with connect(daemon.url) as conversation:
            with pytest.raises(ConnectionFailedError, match=r"closed the connection \(1011 as told\)") as lost:
                await conversation.turn(b"question", 5)
            assert lost.value.close_code == 1011
            with pytest.raises(ConnectionFailedError, match="closed the connection"):
                await conversation.send(b"question")


async def test_no_answer_in_time_is_told() -> None:
    with FakeDaemon(lambda _: []).running() as daemon:
        async with connect(daemon.url) as conversation:
            with pytest.raises(ConnectionFailedError, match=r"no answer within 0\.05 s"):
                await conversation.turn(b"question", 0.05)


async def test_a_daemon_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SEND_SECONDS", 0.05)

    async def stuck(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "send_bytes", stuck)
    with FakeDaemon().running() as daemon:
        async with connect(daemon.url) as conversation:
            with pytest.raises(ConnectionFailedError, match=r"takes nothing for 0\.05 s"):
                await conversation.send(b"frame")


async def test_a_token_and_a_ticket_are_presented() -> None:
    with FakeDaemon().running() as daemon:
        daemon.token = TOKEN
        with pytest.raises(ConnectionFailedError, match="wants a valid token") as refused:
            async with connect(daemon.url):
                pass
        assert refused.value.status == 401
        async with connect(daemon.url, token=TOKEN, ticket="one-time"):
            pass
        assert daemon.queries[-1]["ticket"] == "one-time"


async def test_what_is_not_accepted_is_told() -> None:
    with FakeDaemon().running() as daemon:
        daemon.opening = [failure(), 1003]
        with pytest.raises(ConnectionFailedError, match=r"^AUDIO_DECODE_FAILED: .*wav"):
            async with connect(daemon.url):
                pass


async def test_another_first_message_is_no_conversation() -> None:
    with FakeDaemon().running() as daemon:
        daemon.opening = [protocol.Pong()]
        with pytest.raises(ConnectionFailedError, match="did not begin with connection_established"):
            async with connect(daemon.url):
                pass


async def test_an_unknown_message_is_told() -> None:
    class Future(protocol.ServerMessage, frozen=True, tag="from_the_future"):
        pass

    unknown = pytest.raises(ConnectionFailedError, match="what this version does not understand")
    with FakeDaemon(lambda _: [Future()]).running() as daemon, unknown:
        async with connect(daemon.url) as conversation:
            await conversation.turn(b"audio", 5)


async def test_tls_with_an_authority_of_ones_own() -> None:
    authority = trustme.CA()
    serving, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    with FakeDaemon(tls=serving).running() as daemon:
        async with connect(daemon.url, tls=trusting) as conversation:
            assert conversation.limits.max_audio_bytes == 2**16
        with pytest.raises(ConnectionFailedError, match=r"is not trusted: unable to get local issuer"):
            async with connect(daemon.url):
                pass
    with FakeDaemon().running() as daemon:
        secure = daemon.url.replace("ws:", "wss:")
        with pytest.raises(ConnectionFailedError, match="does not speak TLS as it should"):
            async with connect(secure):
                pass
