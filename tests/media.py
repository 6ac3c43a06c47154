"""Recordings in every container, made with PyAV as clients' recorders make them."""

import re
import struct
import zlib
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from pydub import AudioSegment

from simplevoice.types import InputFormat

DATA = Path(__file__).parent / "data"

_PIECE_BYTES = 100_000

_MUXERS: dict[InputFormat, tuple[str, str]] = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("ipod", "aac"),
    "webm": ("webm", "libopus"),
    "ogg": ("ogg", "libopus"),
    "flac": ("flac", "flac"),
}

_CLUSTER = re.compile(rb"\x1f\x43\xb6\x75(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f]..)(?=\xe7)", re.DOTALL)
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_UNKNOWN_SIZE_CLUSTER = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7


def recording(name: str) -> AudioSegment:
    """Read a file of tests/data."""
    return AudioSegment.from_file(BytesIO((DATA / name).read_bytes()), format="wav")


def tone(ms: int, rate: int = 16_000, channels: int = 1, hz: float = 440.0) -> AudioSegment:
    """Make a sine of a quarter of full scale, the same in all channels."""
    wave = np.sin(2 * np.pi * hz * np.arange(rate * ms // 1000) / rate) * 8192
    return segment(np.repeat(wave.astype("<i2"), channels), rate, channels)


def segment(samples: "np.typing.ArrayLike", rate: int = 16_000, channels: int = 1) -> AudioSegment:
    """Make a segment of interleaved 16-bit samples."""
    pcm = np.asarray(samples).astype("<i2").tobytes()
    return AudioSegment(data=pcm, sample_width=2, frame_rate=rate, channels=channels)


def samples(pcm: bytes | AudioSegment) -> "np.typing.NDArray[np.float64]":
    """Return mono 16-bit samples as numbers."""
    raw = pcm.raw_data if isinstance(pcm, AudioSegment) else pcm
    return np.frombuffer(raw, dtype="<i2").astype(np.float64)


def encode(
    audio: AudioSegment,
    container: InputFormat,
    *,
    codec: str | None = None,
    rate: int | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    sink: Any = None,
) -> bytes:
    """Encode a 16-bit segment of one or two channels; ``sink`` takes the bytes in place of a seekable buffer."""
    muxer, usual_codec = _MUXERS[container]
    opus = (codec or usual_codec) == "libopus"
    target = BytesIO() if sink is None else sink
    layout = "mono" if audio.channels == 1 else "stereo"
    with av.open(target, "w", format=muxer, options=options or {}) as output:
        stream = output.add_stream(
            codec or usual_codec, rate=rate or (48_000 if opus else audio.frame_rate), options=codec_options
        )
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        for at in range(0, len(audio.raw_data), _PIECE_BYTES):
            pcm = np.frombuffer(audio.raw_data[at : at + _PIECE_BYTES], dtype="<i2")
            frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate = audio.frame_rate
            frame.pts = at // (2 * audio.channels)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue() if isinstance(target, BytesIO) else b""


class _Wire:
    """A sink that can't seek, and remembers what was written at once."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)


def live(audio: AudioSegment, container: InputFormat = "webm") -> bytes:
    """Encode as a browser's recorder does: no size is known when it is written, and none is patched in afterwards."""
    wire = _Wire()
    options = {"webm": {"live": "1", "cluster_time_limit": "1000"}, "ogg": {"page_duration": "100000"}}
    encode(audio, container, options=options[container], sink=wire)
    data = b"".join(wire.pieces)
    return _CLUSTER.sub(_UNKNOWN_SIZE_CLUSTER, data) if container == "webm" else data


def media_recorder_chunks(audio: AudioSegment, ms: int = 100, container: InputFormat = "webm") -> list[bytes]:
    """Cut a live recording as MediaRecorder does: about ``ms`` of sound a piece, the header only in the first."""
    data = live(audio, container)
    count = max(1, round(len(audio) / ms))
    bounds = [len(data) * index // count for index in range(count + 1)]
    return [data[start:end] for start, end in pairwise(bounds)]


def wav(pcm: bytes, *, rate: int = 16_000, channels: int = 1, bits: int = 16, tag: int = 1) -> bytes:
    """Write a WAV file with a header that may be a lie."""
    block = bits // 8 * channels
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block % 2**16, bits)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(pcm))
        + b"WAVEfmt \x10\0\0\0"
        + fmt
        + b"data"
        + struct.pack("<I", len(pcm))
        + pcm
    )


def with_valid_pages(data: bytes) -> bytes:
    """Set right the checksums of Ogg pages, without which libav looks at none of them."""
    repaired = bytearray(data)
    at = data.find(b"OggS")
    while 0 <= at <= len(data) - 27:
        body = at + 27 + data[at + 26]
        end = body + sum(data[at + 27 : body])
        repaired[at + 22 : at + 26] = bytes(4)
        repaired[at + 22 : at + 26] = struct.pack("<I", ogg_crc(repaired[at:end]))
        at = data.find(b"OggS", max(at + 4, end))
    return bytes(repaired)


def ogg_crc(page: bytes | bytearray) -> int:
    """Checksum of a page whose own field is zero (RFC 3533 section 6): zlib's polynomial, the other way round."""
    crc = ~zlib.crc32(page.translate(_BITS_REVERSED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
