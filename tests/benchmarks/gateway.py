"""What the gateway itself costs: the daemon with engines that cost nothing, against an echo of bare aiohttp."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from simplevoice.protocol import Ping, encode
from simplevoice.speech.codec import wav_header
from simplevoice.types import INPUT_SAMPLE_RATE
from tests.benchmarks.result import Result, Row, side_by_side
from tests.reliability.subject import Subject
from tests.reliability.wire import Wire, close_frame

ROUND_TRIPS, UTTERANCES, OPENINGS = 5000, 1000, 1000
WARM_UP = 0.1
"""Of as many again."""
MOST, MOST_LATE, LATE = 2.0, 3.0, 0.99

PCM_BYTES = 40_000
UTTERANCE = wav_header(INPUT_SAMPLE_RATE, PCM_BYTES) + bytes(PCM_BYTES)
PING = encode(Ping())
SETTINGS = {
    "limits_messages_per_second": 10_000,
    "limits_turns_per_minute": 100_000,
    "limits_audio_seconds_per_minute": 6000,
}
"""Nothing may be refused."""


async def run(scale: float = 1.0) -> Result:
    """Measure round trips on one connection, then how connections open. ``scale`` is the share of the repetitions."""
    result = Result()
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(Subject.running("tests.benchmarks.free_daemon", settings=SETTINGS))
        echo = await stack.enter_async_context(Subject.running("tests.benchmarks.echo", settings={}))
        wire = await established(ours.url, number=0)
        stack.callback(wire.hang_up)
        floor = await Wire.open(echo.url)
        stack.callback(floor.hang_up)

        for what, message, answers, times in (
            ("`ping` and its `pong`", PING, 1, ROUND_TRIPS),
            ("40 KB utterance, to the end of its answer", UTTERANCE, 2, UTTERANCES),
        ):
            sides = _round_trip(wire, message, answers), _round_trip(floor, message, 1)
            samples = await _measured(*sides, round(times * scale))
            result.rows += [Row(what, "ms", *samples, MOST), Row(what, "ms", *samples, MOST_LATE, LATE)]
        samples = await _measured(
            _opening(ours.url, established), _opening(echo.url, Wire.open), round(OPENINGS * scale)
        )
        result.rows.append(Row("opening to `connection_established`", "ms", *samples, MOST))
    return result


async def established(url: str, number: int = 1) -> Wire:
    """Open a conversation, up to its first message."""
    wire = await Wire.open(url, connection_id=f"bench-{number}", language="en", audio_format="pcm16")
    await wire.receive()
    return wire


async def _measured(
    ours: Callable[[], Awaitable[float]], yardstick: Callable[[], Awaitable[float]], times: int
) -> tuple[list[float], list[float]]:
    await side_by_side(ours, yardstick, round(times * WARM_UP))
    return await side_by_side(ours, yardstick, times)


def _round_trip(wire: Wire, message: str | bytes, answers: int) -> Callable[[], Awaitable[float]]:
    async def once() -> float:
        begun = time.perf_counter()
        await wire.send(message)
        for _ in range(answers):
            await wire.receive()
        return (time.perf_counter() - begun) * 1000

    return once


def _opening(url: str, open_wire: Callable[[str], Awaitable[Wire]]) -> Callable[[], Awaitable[float]]:
    async def once() -> float:
        begun = time.perf_counter()
        wire = await open_wire(url)
        seconds = time.perf_counter() - begun
        await wire.write(close_frame())
        await wire.until_closed()
        wire.hang_up()
        return seconds * 1000

    return once
