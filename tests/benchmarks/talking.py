"""People who talk to a server in real time, several at once: how long they wait, and what the server spends on them.

Speech ends, and time begins, as docs/latency.md says. Everybody listens to an answer to its end before speaking again.
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import click
import msgspec

from simplevoice.cli.clips import Clip, read_clips
from simplevoice.cli.latency import TurnFigures
from simplevoice.cli.latency_bench import Caller, Wire
from simplevoice.client import connect
from simplevoice.errors import ConnectionFailedError
from tests.benchmarks.places import CPU
from tests.benchmarks.processes import cpu_seconds
from tests.reliability.subject import Subject

DATA = Path(__file__).parents[1] / "data"
AS_SERVE_SETS_IT = {"OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000"}
"""For programs of the tests, which import numpy before they could."""
APART_SECONDS = 0.7
"""People don't begin in one moment: each this long behind the one before."""


class Side(msgspec.Struct, frozen=True):
    """A server that is talked to: its address, its process, and the way to it."""

    url: str
    pid: int
    connect: Callable[[], AbstractAsyncContextManager[Wire]]


class Talk(msgspec.Struct, frozen=True):
    """What so many talkers met."""

    talkers: int
    turns: list[TurnFigures]
    lost: int
    """Clips that got no answer."""
    cpu_seconds: float
    """Of the server, for one clip: from its first word until its answer was played."""

    @property
    def waits(self) -> list[float]:
        """Tell how long after the end of the speech the answers began that stayed, ms."""
        return [turn.answer_ms for turn in self.turns if turn.answer_ms is not None]


def english_clips() -> list[Clip]:
    """Read what is said. Blocks."""
    return [clip for clip in read_clips(DATA, "en") if clip.name.startswith("en-")]


@asynccontextmanager
async def daemon(*program: str, **settings: object) -> AsyncIterator[Side]:
    """Run our own daemon with the voice and the processors of its peers, and no bound that talking on could reach."""
    chosen = {"tts_engine": "piper", "limits_turns_per_minute": 1000, **CPU.settings, "llm_gpu": "off", **settings}
    program = program or ("simplevoice", "serve")
    async with Subject.running(*program, settings=chosen, environment=AS_SERVE_SETS_IT) as subject:
        yield Side(subject.url, subject.pid, partial(_connect, subject.url))


def _connect(url: str) -> AbstractAsyncContextManager[Wire]:
    return connect(
        url,
        connection_id=f"bench-{uuid.uuid4().hex[:12]}",
        language="en",
        voice_type="male",
        turn_detection="server_vad",
        response_mode="stream",
        audio_format="pcm16",
        audio_transport="binary",
    )


async def talk(side: Side, talkers: int, clips: Sequence[Clip]) -> Talk:
    """Let each talker say all clips, beginning with another one, after a clip that warms everything up."""
    click.echo(f"{talkers} talking", err=True)
    warm = asyncio.Barrier(talkers + 1)
    async with asyncio.TaskGroup() as tasks:
        talking = [tasks.create_task(_talk(side, number, clips, warm)) for number in range(talkers)]
        await warm.wait()
        before = cpu_seconds(side.pid)
        turns = [turn for task in talking for turn in await task]
        spent = cpu_seconds(side.pid) - before
    said = talkers * len(clips)
    answered = sum(turn.outcome == "answered" for turn in turns)
    return Talk(talkers, turns, said - answered, spent / said)


async def _talk(side: Side, number: int, clips: Sequence[Clip], warm: asyncio.Barrier) -> list[TurnFigures]:
    first = number % len(clips)
    turns: list[TurnFigures] = []
    await asyncio.sleep(number * APART_SECONDS)
    try:
        async with calling(side, number) as caller:
            await caller.say(clips[first])
            await warm.wait()
            await asyncio.sleep(number * APART_SECONDS)
            for clip in (*clips[first:], *clips[:first]):
                turns.append(await caller.say(clip))  # noqa: PERF401 - what was said before a failure counts
    except* ConnectionFailedError as failures:
        if len(turns) == 0:
            raise
        sys.stderr.write(f"talker {number}: {failures.exceptions[0]}\n")  # what it did not come to say is lost
    return turns


@asynccontextmanager
async def calling(side: Side, number: int) -> AsyncIterator[Caller]:
    """Connect, and keep sending and listening. What breaks the connection is raised as a group of exceptions."""
    async with side.connect() as wire, asyncio.TaskGroup() as tasks:
        caller = Caller(wire, number, plays=True)
        running = [tasks.create_task(caller.listen()), tasks.create_task(caller.speak())]
        yield caller
        for task in running:
            task.cancel()
