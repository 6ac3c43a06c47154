"""From decoded frames of any kind to mono 16-bit samples at one rate."""

import av
import numpy as np

from simplevoice.errors import AudioError

MIN_SAMPLE_RATE = 1_000
MAX_SAMPLE_RATE = 768_000
"""Hz. A header may claim any rate; the resampler's memory and output grow with the ratio of the two."""

MAX_MIXED_CHANNELS = 8
"""Above this libswresample knows no layout to mix from."""


class Resampler:
    """Mixes frames to mono and resamples them to ``rate``, keeping its state so that pieces join without a click.

    Frames may change their rate, layout or sample format on the way, as in a chained Ogg file.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._source: tuple[int, str, str] | None = None
        self._resampler = av.AudioResampler("s16", "mono", rate)

    def push(self, frame: av.AudioFrame) -> bytes:
        """Return the s16le samples that are ready. Raises AudioError for a rate or channel count out of bounds."""
        if not MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(f"sample rate of {frame.sample_rate} Hz")
        if frame.layout.nb_channels > MAX_MIXED_CHANNELS:
            frame = _average(frame)
        frame.pts = None
        source = (frame.sample_rate, frame.layout.name, frame.format.name)
        done = self.flush() if source != self._source else b""
        self._source = source
        return done + _samples(self._resampler.resample(frame))

    def flush(self) -> bytes:
        """Return what the filter held back; the next frame starts afresh."""
        if self._source is None:
            return b""
        done = _samples(self._resampler.resample(None))
        self._source = None
        self._resampler = av.AudioResampler("s16", "mono", self._rate)
        return done


def pcm_frame(pcm: bytes, sample_rate: int, channels: int = 1) -> av.AudioFrame:
    """Wrap interleaved s16le samples, whole ones, into a frame."""
    samples = np.frombuffer(pcm, dtype="<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono" if channels == 1 else "stereo")
    frame.sample_rate = sample_rate
    return frame


def _average(frame: av.AudioFrame) -> av.AudioFrame:
    if frame.format.is_planar:
        # PyAV 18 looks for the end of the planes beyond their array.
        raise AudioError(f"{frame.layout.nb_channels} channels")
    samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    mono = samples.mean(axis=1).astype(samples.dtype).reshape(1, -1)
    mixed = av.AudioFrame.from_ndarray(mono, format=frame.format.name, layout="mono")
    mixed.sample_rate = frame.sample_rate
    return mixed


def _samples(frames: list[av.AudioFrame]) -> bytes:
    # A resampler with nothing to do passes the flushing None through.
    return b"".join(frame.to_ndarray().tobytes() for frame in frames if frame is not None)
