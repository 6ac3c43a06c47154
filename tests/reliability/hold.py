"""A thousand connections held open, a hundred of which talk at once: none may be lost, no turn fail, nothing stall.

``make hold``, or ``python -m tests.reliability.hold --connections 1000 --talkers 100 --seconds 60``. Linux only.
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

import click
import msgspec

from simplevoice.protocol import Ping, Pong, VoiceResponse
from simplevoice.server.socket import HEARTBEAT_SECONDS
from simplevoice.types import AUDIO_FORMATS
from tests.figures.command import Verdict, conclude, main
from tests.figures.report import Section, table
from tests.reliability.lag import LagWatch
from tests.reliability.manners import STREAM, pieces, speech
from tests.reliability.subject import Subject, allow_descriptors
from tests.reliability.visitor import Visitor
from tests.reliability.wire import ClosedError

CONNECTIONS, TALKERS, SECONDS = 1000, 100, 60.0
OPENED_AT_ONCE = 50
PHRASE = pieces(speech() + bytes(len(speech()) * 5 // 2))
"""A word in a second of sound, and two and a half seconds of silence, in which it is answered."""
PIECE_SECONDS = 0.1
END_SECONDS = 30.0
MOST_MS = 100.0


class Phase(msgspec.Struct, frozen=True):
    """What was seen in one part of the run: the worst of the daemon's event loop and of this one's, in ms.

    ``processor`` is the share of one core that the daemon had.
    """

    name: str
    seconds: float
    lag: float
    own_lag: float
    step: float
    step_name: str
    collection: float
    processor: float
    client_lag: float


class Hold(msgspec.Struct):
    """What came of it."""

    connections: int
    talkers: int
    phases: list[Phase] = msgspec.field(default_factory=list)
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    complaints: Counter[str] = msgspec.field(default_factory=Counter)
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    first_audio: list[int] = msgspec.field(default_factory=list)
    """Milliseconds from the end of each phrase to the first sound of its answer, as the daemon has it."""
    phrases: int = 0
    heartbeats: list[int] = msgspec.field(default_factory=list)
    """By idle connection."""
    alive: int = 0
    memory_mib: float = 0.0


class _Phases:
    """Looks at the daemon, and at this process, for one phase after the other."""

    def __init__(self, subject: Subject, result: Hold) -> None:
        self._subject = subject
        self._result = result
        self._client = LagWatch()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["_Phases"]:
        watching = asyncio.create_task(self._client.run())
        try:
            yield self
        finally:
            watching.cancel()

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        click.echo(f"{name} …", err=True)
        await self._subject.inside()
        self._client.take()
        begun, worked = time.monotonic(), self._subject.processor_seconds()
        yield
        seconds = time.monotonic() - begun
        inside = await self._subject.inside()
        self._result.phases.append(
            Phase(
                name=name,
                seconds=seconds,
                lag=inside.lag,
                own_lag=inside.own_lag,
                step=inside.step,
                step_name=inside.step_name,
                collection=inside.collection,
                processor=(self._subject.processor_seconds() - worked) / seconds,
                client_lag=self._client.take()[0],
            )
        )


class _Guest:
    """One connection that is held. What it hears until it asks for a pong is kept."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.talks = visitor.query["turn_detection"] == "server_vad"
        self._hearing = asyncio.create_task(visitor.until(Pong))

    async def talk(self, phrases: int, wait: float) -> None:
        """Stream phrases in real time, as a microphone does."""
        due = time.monotonic() + wait
        await asyncio.sleep(wait)
        await self.visitor.say(STREAM)
        for _ in range(phrases):
            for piece in PHRASE:
                due += PIECE_SECONDS
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self.visitor.say(piece)

    async def leave(self) -> None:
        """Make sure that the connection is alive, and close it."""
        async with asyncio.timeout(END_SECONDS):
            await self.visitor.say(Ping())
            await self._hearing
            await self.visitor.goodbye()

    async def give_up(self) -> None:
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)


async def hold(connections: int, talkers: int, seconds: float) -> Hold:
    """Open all, hold them for some seconds, let some talk for as long, and close all."""
    result = Hold(connections, talkers)
    phrases = max(1, round(seconds / (len(PHRASE) * PIECE_SECONDS)))
    settings = {"limits_max_connections": connections + 10, "limits_max_turns": talkers}
    async with AsyncExitStack() as stack:
        subject = await stack.enter_async_context(Subject.running("tests.reliability.server", settings=settings))
        watch = await stack.enter_async_context(_Phases(subject, result).watching())
        guests: list[_Guest] = []
        async with watch.phase(f"{connections:,} connect"):
            await _open(stack, guests, subject.url, connections, talkers)
        async with watch.phase("all are held"):
            await asyncio.sleep(seconds)
        async with watch.phase(f"{talkers} of them talk"):
            await _talk(guests[:talkers], phrases, result)
        result.memory_mib = (await subject.resources()).memory_mib
        async with watch.phase("all say goodbye"):
            await asyncio.gather(*(_leave(guest, result) for guest in guests))
        result.complaints = subject.complaints
    return result


async def _open(stack: AsyncExitStack, guests: list[_Guest], url: str, connections: int, talkers: int) -> None:
    """Open all connections, some at a time; those that will talk come first."""
    numbers = iter(range(connections))

    async def one_by_one() -> None:
        for number in numbers:
            query = {
                "turn_detection": "server_vad" if number < talkers else "none",
                "response_mode": "stream",
                "audio_format": AUDIO_FORMATS[number % len(AUDIO_FORMATS)],
                "audio_transport": ("base64", "binary")[number // len(AUDIO_FORMATS) % 2],
            }
            guest = _Guest(await stack.enter_async_context(Visitor.visiting(url, **query)))
            stack.push_async_callback(guest.give_up)
            guests.append(guest)

    async with asyncio.TaskGroup() as doors:
        for _ in range(OPENED_AT_ONCE):
            doors.create_task(one_by_one())
    guests.sort(key=lambda guest: not guest.talks)


async def _talk(talkers: list[_Guest], phrases: int, result: Hold) -> None:
    """Let them talk, each beginning at another moment, and wait for the last answers."""
    spread = random.Random(1)
    async with asyncio.TaskGroup() as talking:
        for guest in talkers:
            talking.create_task(guest.talk(phrases, spread.uniform(0, len(PHRASE) * PIECE_SECONDS)))
    result.phrases = phrases * len(talkers)


async def _leave(guest: _Guest, result: Hold) -> None:
    try:
        await guest.leave()
        result.alive += 1
        result.outcomes += guest.visitor.outcomes()
    except (AssertionError, OSError, ClosedError) as failure:
        result.failures[f"{type(failure).__name__} {failure}"] += 1
    if not guest.talks:
        result.heartbeats.append(guest.visitor.wire.pings)
    answers = [message for message in guest.visitor.received if isinstance(message, VoiceResponse)]
    result.first_audio += [answer.timings.first_audio for answer in answers if answer.timings.first_audio is not None]


def judge(result: Hold) -> Verdict:
    """Compare with what is to be proved."""
    verdict = Verdict()
    answered = result.outcomes["voice_response"]
    verdict.expect("every connection lives to the end", f"{result.alive:,}", met=result.alive == result.connections)
    verdict.expect("every phrase is answered, once", f"{answered:,} of {result.phrases:,}", met=_all_answered(result))
    beats, fewest = max(0, int(result.phases[1].seconds / HEARTBEAT_SECONDS) - 1), min(result.heartbeats)
    verdict.expect(f"every idle connection answers {beats} heartbeats or more", fewest, met=fewest >= beats)
    verdict.expect("no failure", f"{result.failures.total()}", met=not result.failures)
    verdict.expect("no error in the log", f"{result.complaints.total()}", met=not result.complaints)
    for phase in result.phases:
        verdict.expect(
            f"{phase.name}: no stall above {MOST_MS:.0f} ms but by waiting for a processor",
            f"{phase.own_lag:.0f} ms",
            met=phase.own_lag <= MOST_MS,
        )
    return verdict


def _all_answered(result: Hold) -> bool:
    return result.outcomes == Counter(voice_response=result.phrases)


def describe(result: Hold) -> str:
    """Write the figures down."""
    header = ("phase", "s", "CPU", "late", "late by itself", "longest step", "longest collection", "clients late")
    rows = [
        [
            p.name,
            *(f"{p.seconds:.0f}", f"{p.processor:.0%}"),
            *(f"{ms:.0f}" for ms in (p.lag, p.own_lag, p.step, p.collection, p.client_lag)),
        ]
        for p in result.phases
    ]
    first = sorted(result.first_audio) or [0]
    return (
        f"{table(header, rows)}\n"
        f"Each idle connection answered {min(result.heartbeats)} to {max(result.heartbeats)} heartbeats. "
        f"Resident memory with all of them: {result.memory_mib:.0f} MiB.\n"
        f"First sound behind the end of a phrase: median {median(first):.0f} ms, "
        f"99th percentile {first[len(first) * 99 // 100]} ms.\n"
    )


async def command(connections: int, talkers: int, seconds: float) -> bool:
    """Run it and write it down."""
    allow_descriptors(2 * connections + 200)
    section = Section("hold", "make hold")
    result = await hold(connections, talkers, seconds)
    for failure, number in [*result.failures.most_common(20), *result.complaints.most_common(20)]:
        click.echo(f"{number} x {failure}", err=True)
    for phase in result.phases:
        click.echo(f"{phase.name}: longest step {phase.step_name}", err=True)
    click.echo(f"outcomes: {dict(result.outcomes)}", err=True)
    return conclude(section, describe(result), judge(result))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--connections", type=int, default=CONNECTIONS)
    options.add_argument("--talkers", type=int, default=TALKERS)
    options.add_argument("--seconds", type=float, default=SECONDS, help="of holding, and of talking")
    main(command(**vars(options.parse_args())))
