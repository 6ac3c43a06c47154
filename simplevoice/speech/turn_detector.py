"""The turns of a continuous stream, with their sound: voice activity, endpointing and the buffer around them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from pydub import AudioSegment

from simplevoice.config import EndpointingConfig
from simplevoice.speech.endpointing import (
    Endpointer,
    Event,
    SpeechResumed,
    SpeechStarted,
    TurnEnded,
    Verdict,
)
from simplevoice.speech.vad import FRAME_MS, FRAME_SAMPLES, Piece, VoiceActivityModel
from simplevoice.types import INPUT_SAMPLE_RATE

FRAME_BYTES = 2 * FRAME_SAMPLES
TAIL_FRAMES = 7
"""Silence that an utterance keeps after its speech: the 200 ms that Smart Turn expects."""


class Detection(NamedTuple):
    """An event and, for TentativeEnd and TurnEnded, the utterance: 16 kHz mono 16-bit, with its pre-roll.

    The utterance of a TurnEnded is, sample for sample, that of the TentativeEnd of its generation.
    """

    event: Event
    audio: AudioSegment | None


class Activity(msgspec.Struct, frozen=True):
    """What a client sees of the detector. ``buffered_chunks`` counts frames of 32 ms."""

    is_speaking: bool
    silence_duration_ms: int
    buffered_chunks: int


class TurnDetector:
    """The turns of one stream. The model apart, it costs some microseconds for a frame of 32 ms.

    It holds at most ``max_seconds`` of a turn, which is then ended, and in silence no more than the pre-roll and the
    beginning of speech that may become a turn.
    """

    def __init__(
        self,
        config: EndpointingConfig,
        model: VoiceActivityModel,
        *,
        max_seconds: float,
        expects_evidence: bool = True,
    ) -> None:
        self._pre_roll = -(-config.pre_roll_ms // FRAME_MS)
        max_turn_ms = int(max_seconds * 1000) - (self._pre_roll + TAIL_FRAMES) * FRAME_MS
        self._endpointer = Endpointer(config, max_turn_ms=max_turn_ms, expects_evidence=expects_evidence)
        self._tail = min(TAIL_FRAMES, self._endpointer.tentative_frames)
        self._model = model
        self._voice = model.stream()
        self._audio = bytearray()  # from frame self._first on; less than a frame may follow the last heard one
        self._first = 0
        self._heard = 0
        self._begin: int | None = None  # the first frame of the turn's utterance
        self._spent = 0  # where the last utterance ended, and the next one may begin

    @property
    def activity(self) -> Activity:
        """What is heard now."""
        endpointer = self._endpointer
        return Activity(endpointer.speaking, endpointer.silence_ms, self._heard - self._first)

    @property
    def hearing(self) -> bool:
        """Whether a turn is on, or speech that may become one."""
        return self._endpointer.onset_frame is not None

    def feed(self, pcm: bytes, *, muted: bool = False) -> list[Detection]:
        """Hear 16 kHz mono 16-bit little-endian sound of any length. ``muted`` hears silence in its place."""
        piece = self.take(pcm, muted=muted)
        return self.heard(self._model.hear([piece])[0]) if len(piece.frames) else []

    def take(self, pcm: bytes, *, muted: bool = False) -> Piece:
        """Take sound as ``feed`` does; gives the frames that it completes, whose probabilities ``heard`` wants next."""
        self._audio += bytes(len(pcm)) if muted else pcm
        fresh = bytes(memoryview(self._audio)[self._offset(self._heard) :])
        whole = len(fresh) - len(fresh) % FRAME_BYTES
        return Piece(self._voice, np.frombuffer(fresh[:whole], "<i2").reshape(-1, FRAME_SAMPLES))

    def heard(self, probabilities: Sequence[float]) -> list[Detection]:
        """Go on by so many frames, each with the probability that somebody speaks in it."""
        detections: list[Detection] = []
        for probability in probabilities:
            self._heard += 1
            detections += self._with_audio(self._endpointer.frame(probability))
            self._forget()
        return detections

    def evidence(self, generation: int, verdict: Verdict) -> list[Detection]:
        """Take what is known of a tentative end; one that is no longer the latest is ignored."""
        return self._with_audio(self._endpointer.evidence(generation, verdict))

    def with_silence(self, audio: AudioSegment) -> AudioSegment:
        """Give the utterance of a tentative end with as much silence behind it as Smart Turn expects."""
        missing_ms = (TAIL_FRAMES - self._tail) * FRAME_MS
        return audio + AudioSegment.silent(missing_ms, frame_rate=INPUT_SAMPLE_RATE)

    def flush(self) -> list[Detection]:
        """End the turn now, where one is on: the stream ended, or the client says so."""
        rest = self.feed(bytes(-len(self._audio) % FRAME_BYTES))
        return [*rest, *self._with_audio(self._endpointer.flush())]

    def _with_audio(self, events: list[Event]) -> list[Detection]:
        return [Detection(event, self._audio_of(event)) for event in events]

    def _audio_of(self, event: Event) -> AudioSegment | None:
        """Cut the utterance out, and mark where it began and ended."""
        frame = event.offset_ms // FRAME_MS if not isinstance(event, SpeechResumed) else 0
        if isinstance(event, SpeechStarted):
            self._begin = max(frame - self._pre_roll, self._spent)
        if self._begin is None or isinstance(event, SpeechStarted | SpeechResumed):
            return None
        end = min(frame + self._tail, self._heard)
        audio = self._audio[self._offset(self._begin) : self._offset(end)]
        if isinstance(event, TurnEnded):
            self._begin, self._spent = None, end
        return AudioSegment(bytes(audio), sample_width=2, frame_rate=INPUT_SAMPLE_RATE, channels=1)

    def _forget(self) -> None:
        """Drop what no utterance can need any more."""
        onset = self._heard if self._endpointer.onset_frame is None else self._endpointer.onset_frame
        keep = max(onset - self._pre_roll, self._spent) if self._begin is None else self._begin
        if keep > self._first:
            del self._audio[: self._offset(keep)]
            self._first = keep

    def _offset(self, frame: int) -> int:
        """Where a frame begins in the buffer, bytes."""
        return (frame - self._first) * FRAME_BYTES
