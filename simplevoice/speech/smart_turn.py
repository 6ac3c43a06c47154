"""Smart Turn v3: does the speech sound finished? A small Whisper encoder with one output, Arabic and English.

What the model takes, and so every constant here, is what it was trained with: the log-mel spectrogram of Whisper
(Radford et al., 2022) over the last 8 s, of a waveform with zero mean and unit variance, so that the gain of the
microphone does not matter.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from pydub import AudioSegment

from simplevoice.errors import ModelError
from simplevoice.types import INPUT_SAMPLE_RATE

Floats = npt.NDArray[np.float32]

WINDOW_SECONDS = 8
WINDOW_SAMPLES = WINDOW_SECONDS * INPUT_SAMPLE_RATE
FFT_SAMPLES = 400
HOP_SAMPLES = 160
MEL_BANDS = 80


def mel_filters() -> Floats:
    """Triangular filters of equal area on Slaney's mel scale, 0 Hz to 8 kHz: (80, 201).

    The scale (Auditory Toolbox, 1998) is linear up to 1 kHz, which is mel 15, and logarithmic above it.
    """
    step = np.log(6.4) / 27
    mels = np.linspace(0, 15 + np.log(8) / step, MEL_BANDS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))
    bins = np.linspace(0, INPUT_SAMPLE_RATE / 2, FFT_SAMPLES // 2 + 1)
    triangles = zip(edges, edges[1:], edges[2:], strict=False)
    filters = [np.interp(bins, (low, mid, high), (0, 2 / (high - low), 0)) for low, mid, high in triangles]
    return np.stack(filters).astype(np.float32)


_HANN: Floats = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)
_MEL_FILTERS = mel_filters()


def log_mel(samples: npt.NDArray[np.int16]) -> Floats:
    """Return the features (80, 800) of the last 8 s of 16 kHz samples; shorter speech is preceded by silence."""
    wave = np.zeros(WINDOW_SAMPLES, np.float32)
    tail = samples[-WINDOW_SAMPLES:]
    wave[WINDOW_SAMPLES - len(tail) :] = tail / np.float32(32768)
    wave = (wave - wave.mean()) / np.sqrt(wave.var() + np.float32(1e-7))
    padded = np.pad(wave, FFT_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[:-1:HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * _HANN)) ** 2
    logs = np.log10(np.maximum(_MEL_FILTERS @ power.T, 1e-10))
    features: Floats = (np.maximum(logs, logs.max() - 8) + 4) / 4
    return features


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
        features = log_mel(np.frombuffer(audio.raw_data, np.int16))
        (output,) = self._session.run(None, {"input_features": features[np.newaxis]})
        return float(output[0, 0])
