"""What ``simplevoice bench endpoint`` does: play clips to the turn detector in simulated time."""

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from pydub import AudioSegment
from rich.table import Table

from simplevoice import stt
from simplevoice.cli.clips import MAX_SECONDS, Clip, read_clips
from simplevoice.cli.output import console
from simplevoice.config import Config, EndpointingConfig
from simplevoice.errors import TranscriptionError
from simplevoice.models.store import ModelStore
from simplevoice.speech.endpointing import TentativeEnd, TurnEnded, Verdict
from simplevoice.speech.evidence import judge
from simplevoice.speech.smart_turn import SmartTurnModel
from simplevoice.speech.turn_detector import FRAME_BYTES, TurnDetector
from simplevoice.speech.vad import FRAME_MS, VoiceActivityModel
from simplevoice.stt import Transcriber
from simplevoice.types import INPUT_SAMPLE_RATE, Language

BYTES_PER_MS = 2 * INPUT_SAMPLE_RATE // 1000
PIECE_MS = 10
PIECE_SAMPLES = PIECE_MS * INPUT_SAMPLE_RATE // 1000
QUIET_DB = 35
"""Sound this much below the loudest is silence, in clips without much noise."""


class Rule(NamedTuple):
    """What is asked at a tentative end."""

    sound: bool
    words: bool


RULES = {
    "silence": Rule(sound=False, words=False),
    "smart-turn": Rule(sound=True, words=False),
    "transcript": Rule(sound=False, words=True),
    "all": Rule(sound=True, words=True),
}


class Outcome(msgspec.Struct, frozen=True):
    """What a rule made of a clip. ``splits_ms``: where turns ended too early.

    ``wait_ms`` runs from the last sound to the end of the last turn, which had ``reason``; None where none was found.
    """

    clip: str
    splits_ms: list[int]
    wait_ms: int | None
    reason: str | None


class Summary(msgspec.Struct, frozen=True):
    """A rule's worth: clips without a turn, clips split, turns too many, and the waits."""

    clips: int
    missed: int
    split: int
    extra_turns: int
    median_ms: float | None
    p90_ms: int | None
    max_ms: int | None


class Report(msgspec.Struct, frozen=True):
    """A rule's summary, and its clips."""

    summary: Summary
    clips: list[Outcome]


class Witnesses:
    """The engines that give evidence. Each is asked once about the same sound, alone, and timed."""

    def __init__(self, transcriber: Transcriber | None, smart_turn: SmartTurnModel | None) -> None:
        self._transcriber = transcriber
        self._smart_turn = smart_turn
        self._probabilities: dict[bytes, tuple[float | None, float]] = {}
        self._texts: dict[bytes, tuple[str | None, float]] = {}

    async def sound(self, audio: AudioSegment) -> tuple[float | None, float]:
        """Return Smart Turn's probability, and the ms that it took."""
        if self._smart_turn is not None and audio.raw_data not in self._probabilities:
            started = time.perf_counter()
            probability = await asyncio.to_thread(self._smart_turn.probability, audio)
            self._probabilities[audio.raw_data] = probability, _ms_since(started)
        return self._probabilities.get(audio.raw_data, (None, 0.0))

    async def words(self, audio: AudioSegment, language: Language) -> tuple[str | None, float]:
        """Return the transcript, and the ms that it took."""
        if self._transcriber is not None and audio.raw_data not in self._texts:
            started = time.perf_counter()
            try:
                text = (await self._transcriber.transcribe(audio, language)).text
            except TranscriptionError:
                text = None
            self._texts[audio.raw_data] = text, _ms_since(started)
        return self._texts.get(audio.raw_data, (None, 0.0))


async def measure(config: Config, folder: Path, rules: Sequence[str], language: Language) -> dict[str, Report]:
    """Play every clip by every rule. Raises ClickException without clips, AudioError, ModelError, EngineError."""
    clips = await asyncio.to_thread(read_clips, folder, language)
    asked = [RULES[name] for name in rules]
    store = ModelStore(config.models)
    path = await asyncio.to_thread(store.ensure, "silero-vad")
    voice = await asyncio.to_thread(VoiceActivityModel, path / "silero_vad.onnx")
    smart_turn = None
    if any(rule.sound for rule in asked):
        path = await asyncio.to_thread(store.ensure, "smart-turn-v3")
        smart_turn = await asyncio.to_thread(SmartTurnModel, path / "smart-turn-v3.2-cpu.onnx")
    async with AsyncExitStack() as stack:
        transcriber = None
        if any(rule.words for rule in asked):
            transcriber = await asyncio.to_thread(stt.create, config.stt, config.models)
            stack.push_async_callback(transcriber.close)
            await transcriber.load()
            await transcriber.warm_up()
        witnesses = Witnesses(transcriber, smart_turn)
        outcomes = {
            name: [await play(clip, RULES[name], config.turns, voice, witnesses) for clip in clips] for name in rules
        }
    return {name: Report(summarize(found), found) for name, found in outcomes.items()}


async def play(
    clip: Clip, rule: Rule, config: EndpointingConfig, voice: VoiceActivityModel, witnesses: Witnesses
) -> Outcome:
    """Play one clip, then silence until its turn is over. Evidence arrives as late as it took to compute."""
    detector = TurnDetector(config, voice, max_seconds=MAX_SECONDS, expects_evidence=rule.sound or rule.words)
    silence = bytes((config.max_silence_ms + config.silence_ms + 2 * config.tentative_ms) * BYTES_PER_MS)
    stream = clip.pcm + silence
    ends: list[TurnEnded] = []
    coming: tuple[float, int, Verdict] | None = None
    for start in range(0, len(stream), FRAME_BYTES):
        detections = detector.feed(stream[start : start + FRAME_BYTES])
        now_ms = start // BYTES_PER_MS + FRAME_MS
        for event, audio in detections:
            if isinstance(event, TentativeEnd) and audio is not None:
                # One after the other, as the daemon asks them.
                text, reading_ms = await witnesses.words(audio, clip.language) if rule.words else (None, 0.0)
                asked = witnesses.sound(detector.with_silence(audio)) if rule.sound else None
                probability, listening_ms = await asked if asked else (None, 0.0)
                known_ms = now_ms + reading_ms + listening_ms
                coming = known_ms, event.generation, judge(text, probability, clip.language)
        if coming is not None and now_ms >= coming[0]:
            detections += detector.evidence(*coming[1:])
            coming = None
        ends += [event for event, _ in detections if isinstance(event, TurnEnded)]
    return _outcome(clip, ends)


def show(reports: dict[str, Report]) -> None:
    """Print a line for each clip, then one for each rule."""
    out = console()
    clips = Table("clip", *reports, box=None, pad_edge=False, title="wait in ms, and where turns were split")
    for row in zip(*(report.clips for report in reports.values()), strict=True):
        clips.add_row(row[0].clip, *map(_cell, row))
    out.print(clips)
    out.print()
    rules = Table("rule", *Summary.__struct_fields__, box=None, pad_edge=False)
    for name, report in reports.items():
        values = msgspec.structs.astuple(report.summary)
        rules.add_row(name, *("-" if value is None else f"{value:.0f}" for value in values))
    out.print(rules)


def _cell(outcome: Outcome) -> str:
    wait = "no turn" if outcome.wait_ms is None else f"{outcome.wait_ms} {outcome.reason}"
    return wait + "".join(f" +split@{ms}" for ms in outcome.splits_ms)


def _outcome(clip: Clip, ends: list[TurnEnded]) -> Outcome:
    if not ends:
        return Outcome(clip.name, [], None, None)
    last = ends[-1]
    # Silero hears speech a little longer than it lasts; in noise the level tells nothing, but Silero does.
    sound_ms = min(last.offset_ms, sound_end_ms(clip.pcm))
    splits = [end.offset_ms for end in ends[:-1]]
    return Outcome(clip.name, splits, last.offset_ms + last.waited_ms - sound_ms, last.reason)


def sound_end_ms(pcm: bytes) -> int:
    """Return where the last 10 ms end that are within 35 dB of the loudest."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    pieces = samples[: len(samples) // PIECE_SAMPLES * PIECE_SAMPLES].reshape(-1, PIECE_SAMPLES)
    power = (pieces**2).mean(axis=1)
    return int(np.flatnonzero(power >= power.max() / 10 ** (QUIET_DB / 10))[-1] + 1) * PIECE_MS


def summarize(outcomes: list[Outcome]) -> Summary:
    """Sum up what a rule made of the clips; p90 is of the nearest rank."""
    waits = sorted(outcome.wait_ms for outcome in outcomes if outcome.wait_ms is not None)
    return Summary(
        clips=len(outcomes),
        missed=len(outcomes) - len(waits),
        split=sum(bool(outcome.splits_ms) for outcome in outcomes),
        extra_turns=sum(len(outcome.splits_ms) for outcome in outcomes),
        median_ms=statistics.median(waits) if waits else None,
        p90_ms=waits[math.ceil(0.9 * len(waits)) - 1] if waits else None,
        max_ms=waits[-1] if waits else None,
    )


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
