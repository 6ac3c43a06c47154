"""When is the turn over? A state machine over the frames of one stream: no I/O, no clock but the audio itself.

A turn begins with enough speech, ends tentatively after a short silence, and then goes on, or ends after a silence
whose length the evidence decides. Minima are rounded up to whole frames and the bound is rounded down, so that each
holds. Everything is O(1) in time and memory, in an hour of silence too.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from simplevoice.config import EndpointingConfig
from simplevoice.speech.vad import FRAME_MS

VAD_LAG_MS = 160
"""Silero hears speech for up to this long after it ended: 56 to 136 ms on six recordings, against the last 10 ms
within 35 dB of the loudest. The bound is shorter by it, and so holds from the last sound that a person made."""

TYPICAL_VAD_LAG_MS = 96
"""The tentative end is earlier by this, and so comes about as long after the last sound as it is set to."""

GAP_FRAMES = 3
"""Frames without speech that the beginning of a turn may hold: the closure of a plosive lasts under 100 ms."""


class Verdict(StrEnum):
    """What the evidence says of a tentative end, in the order of the silence that the turn then needs."""

    FINISHED = "finished"
    UNKNOWN = "unknown"
    HESITANT = "hesitant"
    UNFINISHED = "unfinished"


EndReason = Literal["finished", "silence", "bound", "length", "flush"]

_REASONS: dict[Verdict | None, EndReason] = {
    Verdict.FINISHED: "finished",
    Verdict.UNKNOWN: "silence",
    Verdict.HESITANT: "silence",
}


class SpeechStarted(msgspec.Struct, frozen=True):
    """A turn begins: there was enough speech, from ``offset_ms`` on."""

    offset_ms: int


class TentativeEnd(msgspec.Struct, frozen=True):
    """The turn may be over: its speech ended at ``offset_ms``. Evidence about it names its ``generation``."""

    generation: int
    offset_ms: int


class SpeechResumed(msgspec.Struct, frozen=True):
    """That tentative end was none: what was made of it is worth nothing."""

    generation: int


class TurnEnded(msgspec.Struct, frozen=True):
    """The turn is over; its speech ended at ``offset_ms``, and ``waited_ms`` of silence went by until the decision.

    ``generation`` is that of the tentative end which came true, None where the turn was cut off in speech.
    ``reason``: ``finished`` by the evidence, ``silence`` long enough for it, ``bound`` of all waits, ``length`` of
    the longest turn, ``flush`` by the caller.
    """

    generation: int | None
    offset_ms: int
    waited_ms: int
    reason: EndReason


Event = SpeechStarted | TentativeEnd | SpeechResumed | TurnEnded


class Endpointer:
    """The turns of one stream. Offsets are ms from its start."""

    def __init__(self, config: EndpointingConfig, *, max_turn_ms: int = 60_000, expects_evidence: bool = True) -> None:
        """Begin in silence. Where no evidence is expected, plain silence ends the turns."""
        self._start = config.start_threshold
        self._stop = min(config.stop_threshold, config.start_threshold)
        self._min_speech = _at_least(config.min_speech_ms)
        self._resume = _at_least(config.resume_ms)
        self._max_turn = _at_most(max_turn_ms)
        self._tentative = max(1, _at_least(config.tentative_ms - TYPICAL_VAD_LAG_MS))
        silence = max(_at_least(config.silence_ms), self._tentative)
        self._bound = max(_at_most(config.max_silence_ms - VAD_LAG_MS), silence)
        self._waits: dict[Verdict | None, int] = {
            Verdict.FINISHED: self._tentative,
            Verdict.UNKNOWN: silence,
            Verdict.HESITANT: (silence + self._bound) // 2,
            Verdict.UNFINISHED: self._bound,
            None: self._bound,
        }
        self._first_verdict = None if expects_evidence else Verdict.UNKNOWN
        self._verdict: Verdict | None = None
        self._generation = 0
        self._state: Literal["silence", "speech", "pause"] = "silence"
        self._frames = 0
        self._voiced = False
        self._onset: int | None = None
        self._last_speech = -1
        self._run = 0  # frames of speech that don't count yet: towards a turn in silence, towards going on in a pause

    @property
    def tentative_frames(self) -> int:
        """Frames without speech after which the turn may be over."""
        return self._tentative

    @property
    def onset_frame(self) -> int | None:
        """The first frame of the turn, or of speech that may become one."""
        return self._onset

    @property
    def end_frame(self) -> int:
        """The frame after the last speech."""
        return self._last_speech + 1

    @property
    def speaking(self) -> bool:
        """Whether a turn is on that hasn't ended tentatively."""
        return self._state == "speech"

    @property
    def silence_ms(self) -> int:
        """The time since the last speech, or since the stream began."""
        return self._silence * FRAME_MS

    def frame(self, probability: float) -> list[Event]:
        """Hear the next 32 ms, with the probability (0-1) that they are speech."""
        self._frames += 1
        self._voiced = probability >= (self._stop if self._voiced else self._start)
        match self._state:
            case "silence":
                events = self._look_for_turn()
            case "speech":
                events = self._look_for_pause()
            case "pause":
                events = self._look_for_end()
        if self._state != "silence" and self._frames - (self._onset or 0) >= self._max_turn:
            events.append(self._end("length"))
        return events

    def evidence(self, generation: int, verdict: Verdict) -> list[Event]:
        """Take what is known of a tentative end. A later verdict replaces an earlier one; a stale one is ignored."""
        if self._state != "pause" or generation != self._generation:
            return []
        self._verdict = verdict
        return self._end_if_due()

    def flush(self) -> list[Event]:
        """End the turn now, where one is on."""
        return [] if self._state == "silence" else [self._end("flush")]

    @property
    def _silence(self) -> int:
        return self._frames - self.end_frame

    def _look_for_turn(self) -> list[Event]:
        if not self._voiced:
            if self._silence > GAP_FRAMES:
                self._onset = None
            return []
        if self._onset is None:
            self._onset, self._run = self._frames - 1, 0
        self._last_speech = self._frames - 1
        self._run += 1
        if self._run < self._min_speech:
            return []
        self._state = "speech"
        return [SpeechStarted(self._onset * FRAME_MS)]

    def _look_for_pause(self) -> list[Event]:
        if self._voiced:
            self._last_speech = self._frames - 1
        if self._silence < self._tentative:
            return []
        self._state, self._run = "pause", 0
        self._generation += 1
        self._verdict = self._first_verdict
        return [TentativeEnd(self._generation, self.end_frame * FRAME_MS), *self._end_if_due()]

    def _look_for_end(self) -> list[Event]:
        self._run = self._run + 1 if self._voiced else 0
        if self._run < self._resume:
            return self._end_if_due()
        self._state, self._last_speech = "speech", self._frames - 1
        return [SpeechResumed(self._generation)]

    def _end_if_due(self) -> list[Event]:
        """End the turn if the evidence allows it and nobody seems to go on, or if the bound is reached."""
        if self._silence < (self._bound if self._run else self._waits[self._verdict]):
            return []
        return [self._end(_REASONS.get(self._verdict, "bound"))]

    def _end(self, reason: EndReason) -> TurnEnded:
        """Leave the turn. Speech that began in the pause may become the next one."""
        generation, run = (self._generation, self._run) if self._state == "pause" else (None, 0)
        ended = TurnEnded(generation, self.end_frame * FRAME_MS, self.silence_ms, reason)
        self._state = "silence"
        self._onset = self._frames - run if run else None
        if run:
            self._last_speech = self._frames - 1
        return ended


def _at_least(ms: int) -> int:
    return -(-ms // FRAME_MS)


def _at_most(ms: int) -> int:
    return ms // FRAME_MS
