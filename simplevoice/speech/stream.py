"""A client's live stream, in pieces cut anywhere, becomes 16 kHz mono 16-bit samples as it comes.

There is no thread and nothing to close: a decoder that is dropped is gone.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

from simplevoice.errors import ClientError, ErrorCode
from simplevoice.speech.codec import too_long
from simplevoice.speech.ogg import OggDemuxer
from simplevoice.speech.opus import OpusTrack, unsupported_stream
from simplevoice.speech.resample import Resampler
from simplevoice.speech.webm import WebmDemuxer
from simplevoice.types import INPUT_SAMPLE_RATE, InputFormat

MIN_PCM_RATE, MAX_PCM_RATE = 8_000, 48_000
MAX_PIECE_SECONDS = 60.0
"""What one piece may unpack to: two bytes of Opus can be 120 ms of silence."""
PORTION_BYTES = INPUT_SAMPLE_RATE * 2 // 5
"""200 ms, or one packet more: what is decoded before the event loop gets its turn."""
_DEMUXED_BYTES = 4096
"""What is taken apart before it does: in so many bytes stand a thousand elements of nothing."""


class StreamDecoder(ABC):
    """The decoder of one stream. Not for two threads at once."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield the samples that they complete: 16 kHz mono s16le, about 200 ms at a time.

        To be read to its end. Each portion, and some are empty, is made when it is asked for and costs some ms at the
        most: let others have the event loop in between. Raises AudioError, after which the stream can't go on:
        AUDIO_DECODE_FAILED, UNSUPPORTED_AUDIO_FORMAT, AUDIO_TOO_LONG.
        """

    @abstractmethod
    def finish(self) -> bytes:
        """End the stream and return the samples that were held back, at most a few ms."""


def open_stream(
    stream_format: Literal["pcm16"] | InputFormat, *, sample_rate: int = INPUT_SAMPLE_RATE, channels: int = 1
) -> StreamDecoder:
    """Begin a stream; rate (Hz) and channels are those of pcm16, containers tell their own.

    Raises AudioError UNSUPPORTED_AUDIO_FORMAT for a container that can't be decoded as it comes, such as MP4, and
    ClientError INVALID_PARAMETER for a rate or channel count out of bounds.
    """
    if stream_format == "pcm16":
        return _PcmDecoder(sample_rate, channels)
    if stream_format == "webm":
        return _OpusDecoder(WebmDemuxer())
    if stream_format == "ogg":
        return _OpusDecoder(OggDemuxer())
    raise unsupported_stream(f"{stream_format} can't be streamed")


def begins_stream(data: bytes) -> bool:
    """Tell whether a piece is the first of a WebM or Ogg stream; only that one has the header."""
    return data.startswith(b"\x1a\x45\xdf\xa3") or (data.startswith(b"OggS") and len(data) > 5 and bool(data[5] & 2))


class _PcmDecoder(StreamDecoder):
    def __init__(self, sample_rate: int, channels: int) -> None:
        if not MIN_PCM_RATE <= sample_rate <= MAX_PCM_RATE:
            raise _out_of_bounds("sample_rate", f"{MIN_PCM_RATE}-{MAX_PCM_RATE}")
        if channels not in (1, 2):
            raise _out_of_bounds("channels", "1-2")
        self._sample_rate = sample_rate
        self._channels = channels
        self._resampler = Resampler(INPUT_SAMPLE_RATE)
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        data = self._rest + data
        whole = len(data) - len(data) % (2 * self._channels)
        self._rest = data[whole:]
        portion = self._sample_rate // 5 * 2 * self._channels
        for start in range(0, whole, portion):
            part = data[start : min(start + portion, whole)]
            yield self._resampler.push_pcm(part, self._sample_rate, self._channels)

    def finish(self) -> bytes:
        return self._resampler.flush()


class _OpusDecoder(StreamDecoder):
    def __init__(self, demuxer: WebmDemuxer | OggDemuxer) -> None:
        self._demuxer = demuxer
        self._track = OpusTrack()

    def feed(self, data: bytes) -> Iterator[bytes]:
        length = 0
        pcm = bytearray()
        for start in range(0, len(data), _DEMUXED_BYTES):
            for packet in self._demuxer.feed(data[start : start + _DEMUXED_BYTES]):
                sound = self._track.push(packet)
                length += len(sound)
                if length > MAX_PIECE_SECONDS * INPUT_SAMPLE_RATE * 2:
                    raise too_long(MAX_PIECE_SECONDS)
                pcm += sound
                if len(pcm) >= PORTION_BYTES:
                    yield bytes(pcm)
                    pcm.clear()
            yield bytes(pcm)
            pcm.clear()

    def finish(self) -> bytes:
        return self._track.flush()


def _out_of_bounds(field: str, allowed: str) -> ClientError:
    return ClientError(
        f"{field} is out of bounds",
        code=ErrorCode.INVALID_PARAMETER,
        details={"field": field, "allowed": allowed},
    )
