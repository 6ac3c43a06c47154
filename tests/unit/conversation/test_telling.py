import asyncio
from typing import Any

import pytest

from simplevoice.conversation import patience
from simplevoice.conversation.patience import Patience
from simplevoice.conversation.telling import Telling
from simplevoice.protocol import (
    AudioChunk,
    Guidance,
    ProcessingStarted,
    ResponseText,
    TurnProcessingStarted,
)
from simplevoice.registry import Connection
from tests.fakes.client import FakeClient, connected
from tests.fakes.engines import FakeEngines
from tests.races.scene import Clock


def tell(client: FakeClient, **choices: Any) -> Telling:
    choices = {"streaming": True, "audio_format": "pcm16", "audio_transport": "base64", **choices}
    return Telling(client.connection, "t", Patience(20.0, 10.0), **choices)


def piece(index: int) -> ResponseText:
    return ResponseText(turn_id="t", index=index, text="It is noon.")


@pytest.mark.parametrize(("detected", "kind"), [(False, ProcessingStarted), (True, TurnProcessingStarted)])
async def test_the_beginning_is_told_once(detected: bool, kind: type) -> None:
    async with connected(FakeEngines()) as client:
        telling = tell(client)
        await asyncio.gather(*(telling.announce("ar", detected=detected) for _ in range(3)))
        await client.connection.close()
        (told,) = client.received
        assert isinstance(told, kind)


async def test_text_is_held_until_the_release_and_keeps_its_order() -> None:
    async with connected(FakeEngines()) as client:
        telling = tell(client)
        for index in range(2):
            await telling.text(piece(index))
        assert client.received == []
        await telling.release()
        await telling.text(piece(2))
        await client.connection.close()
        assert [message.index for message in client.all(ResponseText)] == [0, 1, 2]


async def test_who_waits_for_the_whole_gets_no_parts() -> None:
    async with connected(FakeEngines()) as client:
        telling = tell(client, streaming=False)
        await telling.release()
        await telling.text(piece(0))
        await telling.sound(b"\1\2", 0, 20.0)
        await telling.sound(b"\3\4", 0, 20.0)
        await client.connection.close()
        assert client.received == []
        assert (bytes(telling.audio), telling.chunks) == (b"\1\2\3\4", 0)
        assert telling.playback.duration_ms == 40.0
        assert not telling.playback.begun


async def test_sound_leaves_numbered_and_begins_to_play() -> None:
    async with connected(FakeEngines()) as client:
        telling = tell(client, audio_transport="binary")
        await telling.release()
        await telling.sound(b"", 0, 0.0)  # an encoder gives the first bytes later
        begun = [telling.playback.begun]
        for data in (b"\1\2", b"\3\4"):
            await telling.sound(data, 0, 20.0)
        assert [*begun, telling.playback.begun] == [False, True]
        await client.connection.close()
        assert [(chunk.seq, chunk.size) for chunk in client.all(AudioChunk)] == [(0, 2), (1, 2)]
        assert client.payloads == [b"\1\2", b"\3\4"]


async def test_the_end_is_told_behind_all_else() -> None:
    async with connected(FakeEngines()) as client:
        telling = tell(client)
        await telling.release()
        await telling.text(piece(0))
        concluded = [telling.concluded]
        await telling.end(Guidance(turn_id="t", guidance="", transcription="", reason="unclear"))
        assert [*concluded, telling.concluded] == [False, True]
        await client.connection.close()
        assert client.kinds == ["response_text", "guidance"]


@pytest.mark.parametrize(("seconds_a_chunk", "closed"), [(0.1, False), (1.0, True)])
async def test_who_takes_a_reply_much_more_slowly_than_it_sounds_is_dropped(
    monkeypatch: pytest.MonkeyPatch, seconds_a_chunk: float, closed: bool
) -> None:
    clock, aborted = Clock(), asyncio.Event()
    monkeypatch.setattr(patience, "time", clock)
    async with connected(FakeEngines()) as client:
        send = client.connection.send

        async def take_slowly(*message: Any) -> None:
            await send(*message)
            clock.now += seconds_a_chunk

        monkeypatch.setattr(Connection, "send", lambda _, *message: take_slowly(*message))
        client.abort = aborted.set  # type: ignore[method-assign]
        telling = tell(client)
        await telling.release()
        for _ in range(25):
            await telling.sound(bytes(4800), 0, 100.0)
        assert (client.connection.closed, aborted.is_set()) == (closed, closed)
        assert closed == (len(client.all(AudioChunk)) < 25)
    assert client.closed == ((1008, b"slow client") if closed else (1000, b""))
