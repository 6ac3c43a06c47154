"""What an idle connection takes, against one of an echo of bare aiohttp; and many that are held, with heartbeats."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from simplevoice.server.socket import HEARTBEAT_SECONDS
from tests.benchmarks.gateway import established
from tests.benchmarks.loops import LOOPS
from tests.benchmarks.result import Check, Result, Row, side_by_side
from tests.reliability.subject import Subject, allow_descriptors
from tests.reliability.wire import ClosedError, Wire

IDLE, HELD, TIMES = 2000, 10_000, 3
HOLD_SECONDS = 2.5 * HEARTBEAT_SECONDS
MOST = 2.0
OPENED_AT_ONCE = 50
WARM_UP = 100
"""Connections that come and go first: what the first ones take is taken once."""
SETTLE_SECONDS = 1.0

Open = Callable[[str, int], Awaitable[Wire]]


async def run(idle: int = IDLE, held: int = HELD, times: int = TIMES, seconds: float = HOLD_SECONDS) -> Result:
    """Measure each time with fresh processes, then hold many for some seconds."""
    allow_descriptors(max(idle, held) + 200)
    settings = {"limits_max_connections": max(idle, held)}

    result = Result()
    for loop in LOOPS:
        ours = partial(_kib_each, "free_daemon", loop, settings, established, idle)
        echo = partial(_kib_each, "echo", loop, {}, _open_echo, idle)
        samples = await side_by_side(ours, echo, times)
        result.rows.append(Row(f"{loop}: memory of an idle connection, {idle:,} of them", "KiB", *samples, MOST))
    async with Subject.running("tests.benchmarks.free_daemon", "asyncio", settings=settings) as subject:
        result.checks.append(await _hold(subject, held, seconds))
    return result


async def _kib_each(program: str, loop: str, settings: Mapping[str, object], open_one: Open, number: int) -> float:
    async with Subject.running(f"tests.benchmarks.{program}", loop, settings=settings) as subject:
        async with _opened(subject.url, open_one, WARM_UP):
            pass
        before = subject.process_status()["VmRSS"]
        async with _opened(subject.url, open_one, number):
            await asyncio.sleep(SETTLE_SECONDS)
            return (subject.process_status()["VmRSS"] - before) / number


async def _hold(subject: Subject, number: int, seconds: float) -> Check:
    """Answer heartbeats, from the first connection on, and see who is still there."""
    reading: list[asyncio.Task[ClosedError]] = []

    async def open_and_read(url: str, each: int) -> Wire:
        wire = await established(url, each)
        reading.append(asyncio.create_task(wire.until_closed()))
        return wire

    async with _opened(subject.url, open_and_read, number) as wires:
        try:
            await asyncio.wait(reading, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            alive = sum(not task.done() for task in reading)
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
    beats, fewest = int(seconds / HEARTBEAT_SECONDS), min(wire.pings for wire in wires)
    found = (
        f"{alive:,} alive, each with {fewest} heartbeats or more, {subject.process_status()['VmRSS'] / 1024:.0f} MiB"
    )
    return Check(f"{number:,} held with heartbeats, none dropped", found, met=alive == number and fewest >= beats)


@asynccontextmanager
async def _opened(url: str, open_one: Open, number: int) -> AsyncIterator[list[Wire]]:
    """Open so many connections, some at a time."""
    wires: list[Wire] = []
    numbers = iter(range(number))

    async def one_by_one() -> None:
        for each in numbers:
            wire = await open_one(url, each)
            wires.append(wire)

    try:
        async with asyncio.TaskGroup() as doors:
            for _ in range(OPENED_AT_ONCE):
                doors.create_task(one_by_one())
        yield wires
    finally:
        for wire in wires:
            wire.hang_up()


async def _open_echo(url: str, number: int) -> Wire:
    return await Wire.open(url, connection_id=f"bench-{number}")
