"""The client that programs use, against a real server."""

import asyncio
import ssl
from typing import Any
from unittest.mock import ANY

import aiohttp
import msgspec
import pytest
import trustme

from simplevoice import client, protocol
from simplevoice.client import Delivery, Opening, connect, speak
from simplevoice.errors import ConnectionFailedError
from simplevoice.server.opening import TURN_PARAMETERS
from tests.fakes.daemon import TOKEN, FakeDaemon, Reply, failure, voice_response


def chunk(seq: int, sound: bytes, *, inside: bool = False) -> protocol.AudioChunk:
    told: Any = {"audio_base64": sound} if inside else {}
    return protocol.AudioChunk(turn_id="t1", seq=seq, format="mp3", sample_rate=24_000, size=len(sound), **told)


def streamed() -> protocol.VoiceResponse:
    return voice_response(audio_base64=msgspec.UNSET)


def test_an_opening_is_what_the_protocol_takes() -> None:
    assert set(Opening.__annotations__) == {*protocol.OpeningParameters.__struct_fields__, *TURN_PARAMETERS}


def test_a_delivery_is_what_the_protocol_takes() -> None:
    assert {"text", *Delivery.__annotations__} == set(protocol.SpeakRequest.__struct_fields__)


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


async def test_a_text_is_spoken() -> None:
    with FakeDaemon().running() as daemon:
        daemon.token = TOKEN
        delivery: Delivery = {"language": "ar", "voice": "ar+m3", "rate": "+5%", "audio_format": "opus"}
        assert await speak("مرحبا", daemon.url, token=TOKEN, **delivery) == b"sound"
        with pytest.raises(ConnectionFailedError, match="wants a valid token") as refused:
            await speak("hello", daemon.url)
        assert refused.value.status == 401
    wanted = protocol.SpeakRequest(text="مرحبا", **delivery)
    assert daemon.scripts == [wanted]


async def test_why_a_text_is_not_spoken_is_told() -> None:
    with FakeDaemon().running() as daemon:
        daemon.speech = failure()
        with pytest.raises(ConnectionFailedError, match=r"^AUDIO_DECODE_FAILED: .*wav") as told:
            await speak("hello", daemon.url)
        assert told.value.status == 500
        daemon.speech = protocol.Pong()
        with pytest.raises(ConnectionFailedError, match="the daemon answered 500"):
            await speak("hello", daemon.url)


async def test_speech_that_breaks_off_or_does_not_come_is_none() -> None:
    with FakeDaemon().running() as daemon:
        daemon.speech = None
        with pytest.raises(ConnectionFailedError, match="payload is not completed"):
            await speak("hello", daemon.url)
        daemon.speech = asyncio.Event()
        with pytest.raises(ConnectionFailedError, match="does not answer"):
            await speak("hello", daemon.url, seconds=0.5)
        assert len(daemon.scripts) == 2, "it was asked"
