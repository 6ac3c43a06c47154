"""A live conversation with a fake sound device, against a real server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import click
import pytest

from simplevoice import protocol
from simplevoice.cli import live
from simplevoice.cli.live import SILENCE, LivePlan, level, talk_live
from simplevoice.cli.live_view import QUIET_DB
from simplevoice.cli.target import Target
from simplevoice.errors import ConnectionFailedError
from tests.fakes.daemon import FakeDaemon, Reply, voice_response
from tests.fakes.sound import FakeSoundDevice
from tests.media import tone

FRAME = tone(20).raw_data


async def until(true: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def talking(
    daemon: FakeDaemon, device: FakeSoundDevice, *, headset: bool = False, raw: bool = False
) -> AsyncIterator[None]:
    """Talk, until the block ends as ctrl-C would end it."""
    plan = LivePlan(Target(daemon.url), {"connection_id": "c", "language": "en"}, headset, raw)
    task = asyncio.create_task(talk_live(plan, device))
    await until(lambda: device.opened or task.done())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert not device.opened
    if not task.cancelled():
        await task


def reply(message: protocol.AnyClientMessage | bytes) -> list[Reply]:
    """Answer a frame of sound with a whole turn; nothing else."""
    if message != FRAME:
        return []
    chunk = protocol.AudioChunk(turn_id="t1", seq=0, format="pcm16", sample_rate=24_000, size=4)
    return [
        protocol.SpeechStart(message="", offset_ms=0),
        protocol.SpeechEnd(message="", offset_ms=20),
        protocol.TurnProcessingStarted(turn_id="t1", message=""),
        protocol.Transcription(turn_id="t1", text="hello", final=True, language="en"),
        protocol.ResponseText(turn_id="t1", index=0, text="Good day."),
        chunk,
        b"\1\2\3\4",
        voice_response(),
    ]


async def test_speech_is_answered_through_the_loudspeakers(capsys: pytest.CaptureFixture[str]) -> None:
    device = FakeSoundDevice()
    with FakeDaemon(reply).running() as daemon:
        async with talking(daemon, device):
            device.say(FRAME)
            await until(lambda: device.played)
            await until(lambda: daemon.received[1:] == [FRAME])
    assert bytes(device.played) == b"\1\2\3\4"
    assert daemon.received[0] == protocol.AudioStart(format="pcm16", sample_rate=16_000)
    assert daemon.queries == [
        {
            "connection_id": "c",
            "language": "en",
            "turn_detection": "server_vad",
            "response_mode": "stream",
            "audio_format": "pcm16",
            "audio_transport": "binary",
        }
    ]
    assert "reply: Is that so?" in capsys.readouterr().out


@pytest.mark.parametrize(("headset", "sent"), [(False, SILENCE), (True, FRAME)])
async def test_only_a_headset_is_heard_while_the_loudspeakers_sound(headset: bool, sent: bytes) -> None:
    device = FakeSoundDevice()
    with FakeDaemon(lambda _: []).running() as daemon:
        async with talking(daemon, device, headset=headset):
            device.play(b"\1\2")
            device.say(FRAME)
            await until(lambda: daemon.received[1:] == [sent])
            device.flush()
            device.say(FRAME)
            await until(lambda: daemon.received[2:] == [sent])  # the room still sounds


async def test_an_interruption_silences_the_loudspeakers(capsys: pytest.CaptureFixture[str]) -> None:
    cut = protocol.Interrupted(turn_id="t1", reason="speech", heard_text="Good")
    device = FakeSoundDevice()
    with FakeDaemon(lambda m: [cut] if m == FRAME else []).running() as daemon:
        async with talking(daemon, device, headset=True):
            device.play(b"\1\2")
            device.say(FRAME)
            await until(lambda: device.flushes)
    assert "stopped: Good (speech)" in capsys.readouterr().out


async def test_a_key_stops_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[Callable[[], None]] = []

    class Keys:
        def __init__(self, act: Callable[[], None]) -> None:
            pressed.append(act)

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(live, "on_key", Keys)
    device = FakeSoundDevice()
    with FakeDaemon(lambda _: []).running() as daemon:
        async with talking(daemon, device):
            device.play(b"\1\2")
            await until(lambda: pressed)
            pressed[0]()
            await until(lambda: protocol.Interrupt() in daemon.received)
    assert device.flushes == 1


async def test_json_prints_the_messages_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    device = FakeSoundDevice()
    with FakeDaemon(reply).running() as daemon:
        async with talking(daemon, device, raw=True):
            device.say(FRAME)
            await until(lambda: device.played)
            await until(lambda: len(daemon.received) == 2)
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert kinds[:2] == ["connection_established", "speech_start"]


async def test_what_the_daemon_does_not_take_in_time_is_dropped_oldest_first() -> None:
    device = FakeSoundDevice()
    with FakeDaemon(lambda _: []).running() as daemon:
        async with talking(daemon, device):
            loud = tone(20, hz=880).raw_data
            device.say(FRAME * 10 + loud * live.WAITING_FRAMES)
            await until(lambda: len(daemon.received) == 1 + live.WAITING_FRAMES)
            assert set(daemon.received[1:]) == {loud}


async def test_a_lost_connection_is_told() -> None:
    device = FakeSoundDevice()
    lost = pytest.raises(ConnectionFailedError, match="closed the connection")
    with FakeDaemon(lambda m: [1011] if m == FRAME else []).running() as daemon, lost:
        async with talking(daemon, device):
            device.say(FRAME)
            await until(lambda: not device.opened)


async def test_a_microphone_that_is_pulled_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MICROPHONE_SECONDS", 0.05)
    device = FakeSoundDevice()
    told = pytest.raises(click.ClickException, match="gives no sound any more")
    with FakeDaemon(lambda _: []).running() as daemon, told:
        async with talking(daemon, device):
            await until(lambda: not device.opened)


def test_level_is_in_dbfs() -> None:
    assert level(bytes(640)) == QUIET_DB
    assert level(tone(20).raw_data) == pytest.approx(-15.05, abs=0.1), "a sine of a quarter of full scale"
