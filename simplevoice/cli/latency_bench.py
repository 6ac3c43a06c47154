"""What ``simplevoice bench latency`` does: speak recordings to a daemon in real time, and note when it answers."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
from rich.table import Table

from simplevoice import protocol
from simplevoice.cli.clips import Clip, read_clips
from simplevoice.cli.connecting import converse
from simplevoice.cli.latency import (
    FRAME_BYTES,
    FRAME_SECONDS,
    Arrival,
    Spread,
    Summary,
    TurnFigures,
    listen_until,
    speech_frames,
    summarize,
    turn_figures,
)
from simplevoice.cli.machine import Machine, machine_of
from simplevoice.cli.output import console
from simplevoice.cli.own_daemon import own_daemon
from simplevoice.cli.plot import Picture
from simplevoice.cli.progress import counting
from simplevoice.cli.target import Target
from simplevoice.config.sources import DEFAULT, Settings
from simplevoice.errors import ConnectionFailedError
from simplevoice.types import INPUT_SAMPLE_RATE, Language

SILENCE = bytes(FRAME_BYTES)
LEAD_FRAMES = 25
"""Half a second of silence before an utterance."""


class Plan(msgspec.Struct, frozen=True):
    """What is spoken, how often, and by how many clients at once; ``language`` is of clips whose name tells none."""

    folder: Path
    language: Language
    repetitions: int
    clients: Sequence[int]


class Run(msgspec.Struct, frozen=True):
    """What so many clients at once met, all in all and by clip."""

    clients: int
    overall: Summary
    clips: dict[str, Summary]
    turns: list[TurnFigures]


class Report(msgspec.Struct, frozen=True):
    """All of a measurement."""

    machine: Machine
    runs: list[Run]


class Wire(Protocol):
    """What leads to a server: a ``client.Conversation``, or what speaks for another server in its messages."""

    async def send(self, message: protocol.ClientMessage | bytes) -> None:
        """Send a message, or sound. Raises ConnectionFailedError."""

    async def receive(self) -> protocol.AnyServerMessage:
        """Return the next message. Raises ConnectionFailedError."""


class Caller:
    """One client: it sends a frame every 20 ms for as long as it is connected, silence when it has nothing to say.

    One that ``plays`` listens to an answer to its end before it speaks again.
    """

    def __init__(self, conversation: Wire, number: int, *, plays: bool = False) -> None:
        self._conversation = conversation
        self._number = number
        self._plays = plays
        self._frames: deque[bytes] = deque()
        self._spoken: asyncio.Future[float] | None = None
        self.spoken_at = 0.0
        """When the last frame of the last clip was sent, by ``time.perf_counter``."""
        self._lag = 0.0
        self._arrivals: list[Arrival] = []
        self._news = asyncio.Event()

    async def say(self, clip: Clip) -> TurnFigures:
        """Speak a clip to a conversation that is forgotten first, and listen until it is answered."""
        await self._conversation.send(protocol.SessionUpdate(language=clip.language))
        await self._conversation.send(protocol.ResetConversation())
        self._arrivals.clear()
        self._lag = 0.0
        self._spoken = asyncio.get_running_loop().create_future()
        self._frames.extend([SILENCE] * LEAD_FRAMES + speech_frames(clip.pcm))
        self.spoken_at = spoken_at = await self._spoken
        while (left := listen_until(spoken_at, self._arrivals, plays=self._plays) - time.perf_counter()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        # The answer need not be played any further.
        await self._conversation.send(protocol.Interrupt())
        return turn_figures(clip.name, self._number, spoken_at, self._arrivals, self._lag)

    async def speak(self) -> None:
        """Send frames until cancelled; one that is late doesn't delay the next. Raises ConnectionFailedError."""
        await self._conversation.send(protocol.AudioStart(format="pcm16", sample_rate=INPUT_SAMPLE_RATE))
        due = time.perf_counter()
        while True:
            await asyncio.sleep(due - time.perf_counter())
            await self._conversation.send(self._frames.popleft() if self._frames else SILENCE)
            sent = time.perf_counter()
            self._lag = max(self._lag, sent - due)
            if self._spoken is not None and not self._frames:
                self._spoken.set_result(sent)
                self._spoken = None
            due += FRAME_SECONDS

    async def listen(self) -> None:
        """Note what arrives until cancelled. Raises ConnectionFailedError."""
        while True:
            message = await self._conversation.receive()
            if isinstance(message, protocol.VadUpdate):
                continue  # it comes all the time, also when all is said
            sound = message.audio_base64 if isinstance(message, protocol.AudioChunk) else b""
            self._arrivals.append(Arrival(time.perf_counter(), message, sound or b""))
            self._news.set()


async def measure_own(plan: Plan, settings: Settings) -> Report:
    """Measure a daemon that is started for it, with espeak as voice where nobody chose one. Raises as ``measure``."""
    chosen = settings.origins["tts.engine"] != DEFAULT
    async with own_daemon(settings, *(() if chosen else ("--tts-engine", "espeak"))) as url:
        return await measure(plan, Target(url))


async def measure(plan: Plan, daemon: Target) -> Report:
    """Measure a daemon. Raises ClickException without clips or daemon, AudioError."""
    clips = await asyncio.to_thread(read_clips, plan.folder, plan.language)
    machine = await machine_of(daemon)
    with counting("turns", sum(plan.clients) * len(clips) * plan.repetitions) as count:
        runs = [await _run(clips * plan.repetitions, clients, daemon, count) for clients in plan.clients]
    return Report(machine, runs)


async def _run(clips: Sequence[Clip], clients: int, daemon: Target, count: Callable[[], None]) -> Run:
    turns: list[TurnFigures] = []

    def take(figures: TurnFigures) -> None:
        turns.append(figures)
        count()

    try:
        async with asyncio.TaskGroup() as tasks:
            for number in range(clients):
                # Each begins with another clip.
                first = number % len(clips)
                spoken = [*clips[first:], *clips[:first]]
                tasks.create_task(_call(tasks, daemon, number, spoken, take))
    except* ConnectionFailedError as failures:
        raise failures.exceptions[0] from None
    names = dict.fromkeys(clip.name for clip in clips)
    by_clip = {name: summarize([turn for turn in turns if turn.clip == name]) for name in names}
    return Run(clients, summarize(turns), by_clip, turns)


async def _call(
    tasks: asyncio.TaskGroup,
    daemon: Target,
    number: int,
    clips: Sequence[Clip],
    take: Callable[[TurnFigures], None],
) -> None:
    """Have one client's turns, after one that warms up."""
    async with converse(
        daemon,
        connection_id=f"latency-{uuid.uuid4().hex[:12]}",
        language=clips[0].language,
        turn_detection="server_vad",
        response_mode="stream",
        audio_format="pcm16",
        audio_transport="binary",
    ) as conversation:
        caller = Caller(conversation, number)
        running = [tasks.create_task(caller.listen()), tasks.create_task(caller.speak())]
        await caller.say(clips[0])
        for clip in clips:
            take(await caller.say(clip))
        for task in running:
            task.cancel()
        await asyncio.wait(running)


def show(report: Report) -> None:
    """Print where it was measured, then for each number of clients what people waited and where the time went."""
    out = console()
    narrow = out.width < ALL_COLUMNS
    for line in report.machine.words:
        out.print(line)
    for run in report.runs:
        rows = {**run.clips, "all": run.overall}
        shown = {name: words for name, words in _WAITS.items() if not narrow or name in _NARROW}
        waits = _table(f"{_who(run)}: ms after the last speech was sent, median / p90 / max")
        for words in ("clip", "answered", "split", *shown.values()):
            waits.add_column(words, no_wrap=True)
        for name, summary in rows.items():
            counts = f"{summary.answered} of {summary.turns}", str(summary.split)
            waits.add_row(name, *counts, *(_cell(summary.figures.get(figure)) for figure in shown))
        out.print("", waits, "", sep="\n")
        shown = {name: words for name, words in _STAGES.items() if not narrow or name in _NARROW}
        stages = _table("the daemon's own timings: ms after the last speech that it heard")
        for words in ("clip", *shown.values()):
            stages.add_column(words, no_wrap=True)
        for name, summary in rows.items():
            stages.add_row(name, *(_cell(summary.stages.get(stage)) for stage in shown))
        out.print(stages)
    if narrow:
        out.print(f"\nA terminal of {ALL_COLUMNS} columns shows more of it, --json all.")


def _table(title: str) -> Table:
    return Table(title=title, box=None, pad_edge=False, title_justify="left")


def picture(report: Report) -> Picture:
    """Make the picture of a measurement: a series for each number of clients; the stages of the first."""
    waits = {_who(run): [turn.answer_ms for turn in run.turns if turn.answer_ms is not None] for run in report.runs}
    first = report.runs[0]
    stages = {
        clip: {stage: spread.median for stage, spread in summary.stages.items()}
        for clip, summary in first.clips.items()
    }
    return Picture(f"simplevoice {report.machine.version}: bench latency", waits, stages)


def _who(run: Run) -> str:
    return "one client" if run.clients == 1 else f"{run.clients} clients at once"


ALL_COLUMNS = 120
"""What it takes to show every column."""

_WAITS = {
    "endpoint_ms": "turn over",
    "first_sound_ms": "first sound",
    "answer_ms": "answer",
    "audible_ms": "audible",
    "lag_ms": "client lag",
}
_STAGES = {
    "endpoint": "turn over",
    "transcribe": "transcript",
    "first_text": "first text",
    "first_audio": "first audio",
    "total": "whole answer",
}


_NARROW = {"endpoint_ms", "answer_ms", "endpoint", "first_text", "first_audio"}
"""What is shown on any terminal."""


def _cell(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.0f} / {spread.p90:.0f} / {spread.max:.0f}"
