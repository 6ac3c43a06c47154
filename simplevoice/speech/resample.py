"""From decoded frames of any kind to mono 16-bit samples at one rate."""

from typing import NamedTuple

import av
import numpy as np
from av.filter import Graph

from simplevoice.errors import AudioError

MIN_SAMPLE_RATE = 1_000
MAX_SAMPLE_RATE = 768_000
"""Hz. A header may claim any rate; the resampler's memory and output grow with the ratio of the two."""

MAX_MIXED_CHANNELS = 8
"""Above this libswresample knows no layout to mix from."""


class _Source(NamedTuple):
    rate: int
    layout: str
    format: str


class Resampler:
    """Mixes frames to mono and resamples them to ``rate``, keeping its state so that pieces join without a click.

    Frames may change their rate, layout or sample format on the way, as in a chained Ogg file.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._source: _Source | None = None
        self._graph: Graph | None = None
        """None while there is nothing to convert."""

    def push(self, frame: av.AudioFrame) -> bytes:
        """Return the s16le samples that are ready. Raises AudioError for a rate or channel count out of bounds."""
        if not MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(f"sample rate of {frame.sample_rate} Hz")
        if frame.layout.nb_channels > MAX_MIXED_CHANNELS:
            frame = _average(frame)
        frame.pts = None
        source = _Source(frame.sample_rate, frame.layout.name, frame.format.name)
        done = b""
        if source != self._source:
            done = self.flush()
            self._source, self._graph = source, _open(source, self._rate)
        return done + (frame.to_ndarray().tobytes() if self._graph is None else _run(self._graph, frame))

    def push_pcm(self, pcm: bytes, sample_rate: int, channels: int = 1) -> bytes:
        """Push interleaved s16le samples, whole ones. What has the right form already comes back untouched."""
        if (sample_rate, channels) == (self._rate, 1):
            return self.flush() + pcm
        return self.push(pcm_frame(pcm, sample_rate, channels))

    def flush(self) -> bytes:
        """Return what the filter held back; the next frame starts afresh."""
        graph, self._graph, self._source = self._graph, None, None
        return b"" if graph is None else _run(graph, None)


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


def _open(source: _Source, rate: int) -> Graph | None:
    """Make the filter, or none where the frames are what is wanted.

    PyAV's own AudioResampler makes the same, and with each up to 16 threads that have nothing to do.
    """
    if source == (rate, "mono", "s16"):
        return None
    graph = Graph()
    graph.threads = 1
    given = {"sample_rate": str(source.rate), "sample_fmt": source.format, "channel_layout": source.layout}
    wanted = {"sample_rates": str(rate), "sample_fmts": "s16", "channel_layouts": "mono"}
    graph.link_nodes(graph.add("abuffer", **given), graph.add("aformat", **wanted), graph.add("abuffersink"))
    graph.configure()
    return graph


def _run(graph: Graph, frame: av.AudioFrame | None) -> bytes:
    """Push a frame, or with None the end, and take what comes out."""
    graph.push(frame)
    done = []
    while True:
        try:
            done.append(graph.pull().to_ndarray().tobytes())
        except (BlockingIOError, EOFError):
            return b"".join(done)
