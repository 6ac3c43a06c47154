"""The plainest WAV: a header of 44 bytes, and behind it 16-bit samples."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from simplevoice.speech.resample import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_UNKNOWN_BYTES = 0xFFFFFFFF
"""What live encoders write as a size that they don't know yet."""


def wav_header(sample_rate: int, data_bytes: int | None) -> bytes:
    """The 44 bytes before mono 16-bit samples; None for a length that nobody knows yet."""
    size = _UNKNOWN_BYTES if data_bytes is None else data_bytes
    riff = _UNKNOWN_BYTES if data_bytes is None else data_bytes + 36
    return _HEADER.pack(
        *(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16, b"data", size),
    )


class Plain(NamedTuple):
    """Interleaved s16le samples, whole ones."""

    pcm: memoryview
    sample_rate: int
    channels: int

    @property
    def seconds(self) -> float:
        """How long they sound."""
        return len(self.pcm) / self._bytes_a_second

    def pieces(self) -> Iterator[bytes]:
        """Give them by the second."""
        for start in range(0, len(self.pcm), self._bytes_a_second):
            yield bytes(self.pcm[start : start + self._bytes_a_second])

    @property
    def _bytes_a_second(self) -> int:
        return 2 * self.channels * self.sample_rate


def read_plain(data: bytes) -> Plain | None:
    """Read the samples behind a header of 44 bytes, mono or stereo; None for a WAV of any other kind.

    libav reads them as well, but takes over a millisecond to open a file.
    """
    if len(data) < _HEADER.size:
        return None
    *_, first, first_bytes, codec, channels, rate, _, block, bits, second, size = _HEADER.unpack_from(data)
    if (first, first_bytes, codec, bits, second) != (b"fmt ", 16, 1, 16, b"data"):
        return None
    if channels not in (1, 2) or block != 2 * channels or not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        return None
    pcm = memoryview(data)[_HEADER.size :]
    if size not in (0, _UNKNOWN_BYTES):
        pcm = pcm[:size]
    return Plain(pcm[: len(pcm) - len(pcm) % block], rate, channels)
