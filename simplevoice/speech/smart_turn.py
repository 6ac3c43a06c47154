"""Smart Turn v3: does the speech sound finished? A small Whisper encoder with one output, Arabic and English.

What the model takes, and so every constant here, is what it was trained with: the log-mel spectrogram of Whisper
over the last 8 s, of a waveform with zero mean and unit variance, so that the gain of the
microphone does not matter.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from pydub import AudioSegment

from simplevoice.errors import ModelError
from simplevoice.speech.mel import Floats, log_mel
from simplevoice.types import INPUT_SAMPLE_RATE

WINDOW_SECONDS = 8
WINDOW_SAMPLES = WINDOW_SECONDS * INPUT_SAMPLE_RATE
MEL_BANDS = 80


def features_of(samples: npt.NDArray[np.int16]) -> Floats:
    """Return the features (80, 800) of the last 8 s of 16 kHz samples; shorter speech is preceded by silence."""
    wave = np.zeros(WINDOW_SAMPLES, np.float32)
    tail = samples[-WINDOW_SAMPLES:]
    wave[WINDOW_SAMPLES - len(tail) :] = tail / np.float32(32768)
    return log_mel((wave - wave.mean()) / np.sqrt(wave.var() + np.float32(1e-7)), MEL_BANDS)


class SmartTurnModel:
    """The model, loaded once and shared; it keeps nothing between calls, so threads may call it at once."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the ONNX file. Raises ModelError where it can't be."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"Smart Turn can't be loaded from {path}: {error}") from error

    def probability(self, audio: AudioSegment) -> float:
        """Return how probable it is (0-1) that a turn ends with this audio, 16 kHz mono 16-bit.

        Blocks for some tens of milliseconds: call it in a thread. The model expects about 200 ms of silence after
        the last word.
        """
        features = features_of(np.frombuffer(audio.raw_data, np.int16))
        (output,) = self._session.run(None, {"input_features": features[np.newaxis]})
        return float(output[0, 0])
