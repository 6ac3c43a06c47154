"""What the gateway itself costs: the daemon with engines that cost nothing, against an echo of bare aiohttp."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from simplevoice.protocol import Ping, encode
from simplevoice.speech.wav import wav_header
from simplevoice.types import INPUT_SAMPLE_RATE
from tests.benchmarks.loops import LOOPS
from tests.benchmarks.result import MEDIAN, Result, Row, quantile, side_by_side
from tests.benchmarks.watch import Span, look
from tests.figures.report import table
from tests.reliability.subject import Subject
from tests.reliability.wire import Wire, close_frame

ROUND_TRIPS, UTTERANCES, OPENINGS, PROFILED = 5000, 1000, 1000, 500
WARM_UP = 0.1
"""Of as many again."""
REST_SECONDS = 0.003
"""Behind an utterance, for both sides: what is logged and counted of a turn comes behind its answer."""
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

Side = Callable[[], Awaitable[float]]


ANSWERED = "**the client has its answer**"


class Step(NamedTuple):
    """Of a turn, in seconds from when its recording was sent."""

    begins: float
    takes: float
    before: float


async def run(scale: float = 1.0) -> Result:
    """Measure on each event loop. ``scale`` is the share of the repetitions."""
    result = Result()
    for loop in LOOPS:
        await _measure(result, loop, scale)
    result.details = await _profile("asyncio", round(PROFILED * scale))
    return result


async def _measure(result: Result, loop: str, scale: float) -> None:
    """Measure round trips on one connection, then how connections open."""
    async with AsyncExitStack() as stack:
        daemon = Subject.running("tests.benchmarks.free_daemon", loop, settings=SETTINGS)
        ours = (await stack.enter_async_context(daemon)).url
        echo = (await stack.enter_async_context(Subject.running("tests.benchmarks.echo", loop, settings={}))).url
        wire = await established(ours, number=0)
        stack.callback(wire.hang_up)
        floor = await Wire.open(echo)
        stack.callback(floor.hang_up)

        samples = await _samples(_trip(wire, PING), _trip(floor, PING), ROUND_TRIPS * scale)
        result.rows += _rows(f"{loop}: `ping` and its `pong`", samples)
        answers: list[float] = []
        sides = _rested(_trip(wire, UTTERANCE, answers)), _rested(_trip(floor, UTTERANCE))
        samples = await _samples(*sides, UTTERANCES * scale)
        result.rows += _rows(f"{loop}: 40 KB utterance, to the first message of its turn", samples)
        counted = answers[-len(samples[0]) :]  # those of the warm-up come before
        result.rows += _rows(f"{loop}: 40 KB utterance, to its answer of 40 KB", (counted, samples[1]))
        samples = await _samples(_opening(ours, established), _opening(echo, Wire.open), OPENINGS * scale)
        result.rows.append(Row(f"{loop}: opening to `connection_established`", "ms", *samples, MOST))


async def _profile(loop: str, times: int) -> str:
    """Have turns with a daemon that is watched, and tell what was done for them and when, as medians."""
    begun: list[float] = []
    ends: list[float] = []
    async with Subject.running("tests.benchmarks.watched_daemon", loop, settings=SETTINGS) as daemon:
        wire = await established(daemon.url)
        turn = _trip(wire, UTTERANCE, ends)
        for _ in range(times + round(times * WARM_UP)):
            await asyncio.sleep(REST_SECONDS)
            begun.append(time.perf_counter())
            await turn()
        wire.hang_up()
        spans = sorted((await look(daemon.url)).spans, key=lambda span: span.began)
    turns = []
    for at, until, ms in list(zip(begun, [*begun[1:], math.inf], ends, strict=True))[-times:]:
        answered = Span(ANSWERED, at + ms / 1000, at + ms / 1000)
        turns.append(steps([answered, *(span for span in spans if at <= span.began < until)], at))
    return _table(turns)


def steps(spans: Iterable[Span], sent: float) -> dict[str, Step]:
    """Tell of each step of a turn when it began, how long it took, and for how long nothing was done before it."""
    found: dict[str, Step] = {}
    before = sent
    for span in sorted(spans, key=lambda span: span.began):
        name = f"{span.name}, again" if span.name in found else span.name
        found[name] = Step(span.began - sent, span.ended - span.began, max(0.0, span.began - before))
        before = max(before, span.ended)
    return found


def _table(turns: Sequence[dict[str, Step]]) -> str:
    typical = {
        name: Step(*(quantile(values, MEDIAN) for values in zip(*(turn[name] for turn in turns), strict=True)))
        for name in turns[0]
    }
    rows = [
        (name, *(f"{seconds * 1e6:,.0f}" for seconds in step))
        for name, step in sorted(typical.items(), key=lambda item: item[1].begins)
    ]
    return table(("step of a turn", "begins, µs", "takes, µs", "before it, µs"), rows)


async def established(url: str, number: int = 1) -> Wire:
    """Open a conversation, up to its first message."""
    wire = await Wire.open(url, connection_id=f"bench-{number}", language="en", audio_format="pcm16")
    await wire.receive()
    return wire


async def _samples(ours: Side, yardstick: Side, times: float) -> tuple[list[float], list[float]]:
    await side_by_side(ours, yardstick, round(times * WARM_UP))
    return await side_by_side(ours, yardstick, round(times))


def _rows(what: str, samples: tuple[list[float], list[float]]) -> list[Row]:
    return [Row(what, "ms", *samples, MOST), Row(what, "ms", *samples, MOST_LATE, LATE)]


def _trip(wire: Wire, message: str | bytes, ends: list[float] | None = None) -> Side:
    """Send and receive one message; one that has a second answer notes in ``ends`` when that came."""

    async def once() -> float:
        begun = time.perf_counter()
        await wire.send(message)
        await wire.receive()
        seconds = time.perf_counter() - begun
        if ends is not None:
            await wire.receive()
            ends.append((time.perf_counter() - begun) * 1000)
        return seconds * 1000

    return once


def _rested(trip: Side) -> Side:
    async def once() -> float:
        await asyncio.sleep(REST_SECONDS)
        return await trip()

    return once


def _opening(url: str, open_wire: Callable[[str], Awaitable[Wire]]) -> Side:
    async def once() -> float:
        begun = time.perf_counter()
        wire = await open_wire(url)
        seconds = time.perf_counter() - begun
        await wire.write(close_frame())
        await wire.until_closed()
        wire.hang_up()
        return seconds * 1000

    return once
