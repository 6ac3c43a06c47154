"""Where somebody speaks: the Silero model on frames of 32 ms.

The model (https://github.com/snakers4/silero-vad, version 5 and later, MIT) takes 512 samples with the 64 before them,
and a recurrent state of shape (2, 1, 128).
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
from pydub import AudioSegment

from simplevoice.speech.batches import Batches
from simplevoice.types import INPUT_SAMPLE_RATE

FRAME_SAMPLES = 512
FRAME_MS = 32
CONTEXT_SAMPLES = 64
STATE_SHAPE = (2, 1, 128)

CLEARLY_NO_SPEECH = 0.1
REFRESH_FRAMES = 31
"""Frames of clear non-speech, about 1 s, after which a stream's state starts anew.

Steady noise dulls the recurrent state: after a minute of loud mains hum a one-word utterance was not heard at all,
with the refresh it was, and the noise stayed below the threshold as before.
"""


class SpeechSpan(msgspec.Struct, frozen=True):
    """A stretch of speech in an utterance, in ms from its start."""

    start_ms: int
    end_ms: int


class VoiceActivityModel:
    """The model itself, shared by all streams and threads. Loading blocks; a frame costs about 0.1-0.3 ms."""

    _RATE: ClassVar[npt.NDArray[np.int64]] = np.array(INPUT_SAMPLE_RATE, dtype=np.int64)

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def stream(self) -> "VoiceActivityStream":
        """Begin to listen to one stream."""
        return VoiceActivityStream(self)

    def run(
        self, windows: npt.NDArray[np.float32], states: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the probabilities of speech in n windows, and the states after them.

        Windows are of shape (n, 576) within -1..1, states of (2, n, 128), probabilities of (n,). Many at once cost a
        third of what they cost one by one, and none makes a difference to another.
        """
        output, after = self._session.run(None, {"input": windows, "state": states, "sr": self._RATE})
        return output[:, 0], after

    async def hear_soon(self, piece: "Piece") -> list[float]:
        """Hear a piece together with those of other streams that come meanwhile, off the event loop."""
        return await self._batches.add(piece)

    def close(self) -> None:
        """Let its thread end."""
        self._batches.close()

    @cached_property
    def _batches(self) -> Batches["Piece", list[float]]:
        return Batches("voice activity", self.hear)

    def hear(self, pieces: Sequence["Piece"]) -> list[list[float]]:
        """Return, for the next frames of several streams, the probabilities that somebody speaks in them. Blocks."""
        probabilities: list[list[float]] = [[] for _ in pieces]
        for position in range(max(len(piece.frames) for piece in pieces)):
            now = [number for number, piece in enumerate(pieces) if position < len(piece.frames)]
            streams = [pieces[number].stream for number in now]
            windows = np.concatenate([pieces[number].window(position) for number in now])
            heard, after = self.run(windows, np.concatenate([stream.state for stream in streams], axis=1))
            for column, (number, stream) in enumerate(zip(now, streams, strict=True)):
                probability = float(heard[column])
                stream.note(probability, after[:, column : column + 1])
                probabilities[number].append(probability)
        return probabilities

    def speech_spans(
        self,
        audio: AudioSegment,
        *,
        threshold: float = 0.5,
        min_speech_ms: int = 96,
        min_silence_ms: int = 160,
    ) -> list[SpeechSpan]:
        """Find the speech in a whole utterance of 16 kHz mono 16-bit; none means silence or noise. Blocks.

        Speech begins at ``threshold`` and ends where the probability stays 0.15 below it for ``min_silence_ms``.
        Spans with fewer than ``min_speech_ms`` of frames at the threshold are left out.
        """
        stream = self.stream()
        samples = np.frombuffer(audio.raw_data, dtype="<i2")
        padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
        probabilities = [stream.probability(frame) for frame in padded.reshape(-1, FRAME_SAMPLES)]
        spans = _spans(probabilities, threshold, -(-min_silence_ms // FRAME_MS))
        return [
            SpeechSpan(start * FRAME_MS, min(end * FRAME_MS, len(audio)))
            for start, end in spans
            if sum(p >= threshold for p in probabilities[start:end]) * FRAME_MS >= min_speech_ms
        ]


class VoiceActivityStream:
    """One listener: a state of 2 KiB. Not for two threads at once."""

    def __init__(self, model: VoiceActivityModel) -> None:
        self._model = model
        self._window = np.zeros((1, CONTEXT_SAMPLES + FRAME_SAMPLES), dtype=np.float32)
        self.state = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._quiet_frames = 0

    def probability(self, frame: npt.NDArray[np.int16]) -> float:
        """Return the probability (0-1) that somebody speaks in the next 512 samples."""
        return self._model.hear([Piece(self, frame[np.newaxis])])[0][0]

    def window(self, frame: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """Go on to the next 512 samples; gives them with those before, as the model wants them."""
        self._window[0, :CONTEXT_SAMPLES] = self._window[0, -CONTEXT_SAMPLES:]
        self._window[0, CONTEXT_SAMPLES:] = frame
        self._window[0, CONTEXT_SAMPLES:] /= 32768
        return self._window

    def note(self, probability: float, state: npt.NDArray[np.float32]) -> None:
        """Keep what the model made of them."""
        self.state = state
        self._quiet_frames = self._quiet_frames + 1 if probability < CLEARLY_NO_SPEECH else 0
        if self._quiet_frames == REFRESH_FRAMES:
            self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._window.fill(0)
        self.state = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._quiet_frames = 0


class Piece(NamedTuple):
    """The next frames of a stream, of shape (n, 512)."""

    stream: VoiceActivityStream
    frames: npt.NDArray[np.int16]

    def window(self, position: int) -> npt.NDArray[np.float32]:
        """Go on to one of the frames."""
        return self.stream.window(self.frames[position])


def _spans(probabilities: list[float], threshold: float, silence_frames: int) -> list[tuple[int, int]]:
    """Return (first, one past the last) frames of each stretch, with hysteresis."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    end = 0
    for index, probability in enumerate(probabilities):
        if start is None and probability >= threshold:
            start = index
        if start is None:
            continue
        if probability >= threshold - 0.15:
            end = index + 1
        elif index + 1 - end >= silence_frames:
            spans.append((start, end))
            start = None
    if start is not None:
        spans.append((start, end))
    return spans
