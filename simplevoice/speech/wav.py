"""The plainest WAV: a header of 44 bytes, and behind it 16-bit samples."""

import struct
from collections.abc import Iterator

import av

from simplevoice.speech.resample import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, pcm_frame

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_UNKNOWN_BYTES = 0xFFFFFFFF
"""What live encoders write as a size that they don't know yet."""
_PIECE_SAMPLES = 16_000


def wav_header(sample_rate: int, data_bytes: int | None) -> bytes:
    """The 44 bytes before mono 16-bit samples; None for a length that nobody knows yet."""
    size = _UNKNOWN_BYTES if data_bytes is None else data_bytes
    riff = _UNKNOWN_BYTES if data_bytes is None else data_bytes + 36
    return _HEADER.pack(
        *(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16, b"data", size),
    )


def read_plain(data: bytes) -> Iterator[av.AudioFrame] | None:
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
    return _frames(pcm[: len(pcm) - len(pcm) % block], rate, channels)


def _frames(pcm: memoryview, rate: int, channels: int) -> Iterator[av.AudioFrame]:
    step = _PIECE_SAMPLES * 2 * channels
    for start in range(0, len(pcm), step):
        yield pcm_frame(bytes(pcm[start : start + step]), rate, channels)
