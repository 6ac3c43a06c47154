"""What ``simplevoice bench load`` does: let many talk at once, and count what they get."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from simplevoice import protocol
from simplevoice.cli.clips import Clip, read_clips
from simplevoice.cli.connecting import converse
from simplevoice.cli.latency import Spread, spreads
from simplevoice.cli.machine import Machine, Usage, Use, machine_of
from simplevoice.cli.output import console
from simplevoice.cli.own_daemon import own_daemon
from simplevoice.cli.plot import Picture
from simplevoice.cli.progress import counting
from simplevoice.cli.sound import wav
from simplevoice.cli.target import Target
from simplevoice.client import Conversation
from simplevoice.config.sources import DEFAULT, Settings
from simplevoice.errors import ConnectionFailedError
from simplevoice.types import INPUT_SAMPLE_RATE, Language

TURN_SECONDS = 60.0
AGAIN_SECONDS = 1.0
"""Whose connection failed waits so long before the next."""
UNBOUND = {
    "limits.turns_per_minute": "100000",
    "limits.audio_seconds_per_minute": "6000",
    "limits.max_connections": "4096",
}
"""A daemon of one's own is measured, not what it allows a single client."""


class Plan(msgspec.Struct, frozen=True):
    """What is said, by how many, how often each; ``language`` is of clips whose name tells none."""

    folder: Path
    language: Language
    talkers: int
    turns: int


class LoadTurn(msgspec.Struct, frozen=True):
    """What became of an utterance: ``answered``, ``not understood``, ``interrupted``, ``lost``, or an error code.

    ``first_sound_ms`` and ``total_ms`` run from when it was sent; ``stages`` are the daemon's own.
    """

    talker: int
    clip: str
    outcome: str
    total_ms: float
    first_sound_ms: float | None = None
    stages: protocol.Timings | None = None


class Report(msgspec.Struct, frozen=True):
    """All of a measurement. ``figures`` and ``stages`` are of the turns that were answered, by name."""

    machine: Machine
    talkers: int
    seconds: float
    outcomes: dict[str, int]
    figures: dict[str, Spread]
    stages: dict[str, Spread]
    use: Use | None
    turns: list[LoadTurn]


class Talker:
    """One client: it says one clip after the other, the next when the last is answered."""

    def __init__(self, daemon: Target, number: int, take: Callable[[LoadTurn], None]) -> None:
        self._daemon = daemon
        self._number = number
        self._take = take

    async def talk(self, clips: Sequence[Clip], turns: int) -> None:
        """Have so many turns, beginning with another clip than its neighbours; who is thrown out comes again."""
        spoken = [clips[(self._number + turn) % len(clips)] for turn in range(turns)]
        while spoken:
            began = time.perf_counter()
            try:
                async with converse(
                    self._daemon,
                    connection_id=f"load-{uuid.uuid4().hex[:12]}",
                    turn_detection="none",
                    response_mode="stream",
                    audio_format="pcm16",
                    audio_transport="binary",
                ) as conversation:
                    while spoken:
                        began = time.perf_counter()
                        self._take(await self._turn(conversation, spoken[0]))
                        spoken.pop(0)
            except (ConnectionFailedError, TimeoutError):
                self._take(LoadTurn(self._number, spoken.pop(0).name, "lost", _ms_since(began)))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _turn(self, conversation: Conversation, clip: Clip) -> LoadTurn:
        """Have one turn of a conversation that is forgotten first. Raises ConnectionFailedError, TimeoutError."""
        await conversation.send(protocol.SessionUpdate(language=clip.language))
        await conversation.send(protocol.ResetConversation())
        began, first_sound = time.perf_counter(), None
        async with asyncio.timeout(TURN_SECONDS):
            async for message in conversation.ask(wav(clip.pcm, INPUT_SAMPLE_RATE)):
                if isinstance(message, protocol.AudioChunk) and first_sound is None:
                    first_sound = _ms_since(began)
        stages = message.timings if isinstance(message, protocol.VoiceResponse) else None
        return LoadTurn(self._number, clip.name, _outcome(message), _ms_since(began), first_sound, stages)


async def measure_own(plan: Plan, settings: Settings) -> Report:
    """Measure a daemon that is started for it, with espeak as voice where nobody chose one. Raises as ``measure``."""
    wanted = {"tts.engine": "espeak", **UNBOUND}
    changed = [(key, value) for key, value in wanted.items() if settings.origins[key] == DEFAULT]
    flags = [word for key, value in changed for word in (f"--{key.replace('.', '-').replace('_', '-')}", value)]
    async with own_daemon(settings, *flags) as url:
        return await measure(plan, Target(url))


async def measure(plan: Plan, daemon: Target) -> Report:
    """Measure a daemon. Raises ClickException without clips, ConnectionFailedError without daemon, AudioError."""
    clips = await asyncio.to_thread(read_clips, plan.folder, plan.language)
    machine = await machine_of(daemon)
    turns: list[LoadTurn] = []
    with counting("turns", plan.talkers * plan.turns) as count:

        def take(turn: LoadTurn) -> None:
            turns.append(turn)
            count()

        began = time.perf_counter()
        async with Usage(daemon) as usage, asyncio.TaskGroup() as tasks:
            for number in range(plan.talkers):
                tasks.create_task(Talker(daemon, number, take).talk(clips, plan.turns))
        seconds = time.perf_counter() - began
    answered = [turn for turn in turns if turn.outcome == "answered"]
    return Report(
        machine=machine,
        talkers=plan.talkers,
        seconds=round(seconds, 1),
        outcomes=dict(Counter(turn.outcome for turn in turns).most_common()),
        figures=spreads(("first_sound_ms", "total_ms"), answered),
        stages=spreads(protocol.Timings.__struct_fields__, [turn.stages for turn in answered if turn.stages]),
        use=usage.use,
        turns=turns,
    )


def show(report: Report) -> None:
    """Print where it was measured, what became of the turns, how long answers took, and what the daemon used."""
    out = console()
    for line in report.machine.words:
        out.print(line)
    count = len(report.turns)
    rate = report.outcomes.get("answered", 0) / report.seconds * 60
    out.print(f"{report.talkers} talkers, {count} turns in {report.seconds:g} s: {rate:.0f} answers a minute")
    if report.use:
        cores, memory, grown = msgspec.structs.astuple(report.use)
        out.print(f"the daemon used {cores:g} cores and {memory:g} MiB, {grown:+g} MiB since the start")
    out.print()
    outcomes = Table("outcome", "turns", "share", box=None, pad_edge=False)
    for outcome, number in report.outcomes.items():
        outcomes.add_row(outcome, str(number), f"{number / count:.0%}")
    out.print(outcomes)
    if not report.figures:
        return
    out.print()
    waits = Table("ms", "median", "p90", "max", box=None, pad_edge=False)
    for name, spread in {**report.figures, **report.stages}.items():
        waits.add_row(_ROWS[name], *(f"{value:.0f}" for value in (spread.median, spread.p90, spread.max)))
    out.print(waits)


def picture(report: Report) -> Picture:
    """Make the picture of a measurement."""
    waits = [turn.first_sound_ms for turn in report.turns if turn.outcome == "answered" and turn.first_sound_ms]
    clips = sorted({turn.clip for turn in report.turns})
    stages = {
        clip: spreads(
            protocol.Timings.__struct_fields__, [t.stages for t in report.turns if t.stages and t.clip == clip]
        )
        for clip in clips
    }
    return Picture(
        f"simplevoice {report.machine.version}: {report.talkers} talkers at once",
        {f"{report.talkers} talkers": waits},
        {clip: {stage: spread.median for stage, spread in times.items()} for clip, times in stages.items()},
    )


_ROWS = {
    "first_sound_ms": "first sound",
    "total_ms": "whole answer",
    "decode": "daemon: decoded",
    "transcribe": "daemon: transcript",
    "first_text": "daemon: first text",
    "first_audio": "daemon: first audio",
    "total": "daemon: whole answer",
}


def _outcome(message: protocol.AnyServerMessage) -> str:
    match message:
        case protocol.ErrorMessage():
            return str(message.error_code)
        case protocol.Guidance():
            return "not understood"
        case protocol.Interrupted():
            return "interrupted"
        case _:
            return "answered"


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
