"""The log-mel spectrogram of Whisper (Radford et al., 2022), by which Whisper hears, and Smart Turn, too."""

from functools import cache

import numpy as np
import numpy.typing as npt

from simplevoice.types import INPUT_SAMPLE_RATE

Floats = npt.NDArray[np.float32]

FFT_SAMPLES = 400
HOP_SAMPLES = 160
"""10 ms."""

_HANN: Floats = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)


@cache
def mel_filters(bands: int) -> Floats:
    """Triangular filters of equal area on Slaney's mel scale, 0 Hz to 8 kHz: (bands, 201).

    The scale (Auditory Toolbox, 1998) is linear up to 1 kHz, which is mel 15, and logarithmic above it.
    """
    step = np.log(6.4) / 27
    mels = np.linspace(0, 15 + np.log(8) / step, bands + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))
    bins = np.linspace(0, INPUT_SAMPLE_RATE / 2, FFT_SAMPLES // 2 + 1)
    triangles = zip(edges, edges[1:], edges[2:], strict=False)
    filters = [np.interp(bins, (low, mid, high), (0, 2 / (high - low), 0)) for low, mid, high in triangles]
    return np.stack(filters).astype(np.float32)


def log_mel(wave: Floats, bands: int) -> Floats:
    """Return the spectrogram of a sound at 16 kHz, mirrored at its ends: (bands, frames of 10 ms)."""
    padded = np.pad(wave, FFT_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[:-1:HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * _HANN)) ** 2
    logs = np.log10(np.maximum(mel_filters(bands) @ power.T, 1e-10))
    spectrogram: Floats = (np.maximum(logs, logs.max() - 8) + 4) / 4
    return spectrogram
