"""Opus packets, as a demuxer gives them, become samples."""

from contextlib import suppress

import av

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.resample import Resampler
from simplevoice.types import INPUT_SAMPLE_RATE

OPUS_HEAD = b"OpusHead"
OPUS_TAGS = b"OpusTags"
MAX_PACKET_BYTES = 61_440
"""What RFC 7845 section 6 lets a decoder refuse to exceed."""

_HEAD_BYTES = 19
_MAX_FRUITLESS = 50
"""Packets in a row that give no sound, about a second: more are no transmission errors."""


class OpusTrack:
    """Decodes a track of Opus to 16 kHz mono s16le. A second head begins a new track."""

    def __init__(self) -> None:
        self._decoder: av.AudioCodecContext | None = None
        self._resampler = Resampler(INPUT_SAMPLE_RATE)
        self._fruitless = 0

    def push(self, packet: bytes) -> bytes:
        """Decode a packet; a damaged one is left out. Raises AudioError for what is no Opus."""
        if packet.startswith(OPUS_HEAD):
            pcm = self._begin(packet)
        elif self._decoder is None:
            raise AudioError("a track of Opus without its head")
        else:
            pcm = b"".join(map(self._resampler.push, _decode(self._decoder, packet)))
        self._fruitless = 0 if pcm else self._fruitless + 1
        if self._fruitless > _MAX_FRUITLESS:
            raise AudioError("only damaged packets of Opus")
        return pcm

    def flush(self) -> bytes:
        """Return the samples that were held back."""
        return self._resampler.flush()

    def _begin(self, head: bytes) -> bytes:
        """Set up the decoder, which reads the head (RFC 7845 section 5.1) and skips the samples that it says."""
        if len(head) < _HEAD_BYTES:
            raise AudioError("the head of Opus is cut off")
        rest = self.flush()
        decoder = av.AudioCodecContext.create("opus", "r")
        decoder.extradata = head
        try:
            decoder.open()
        except av.FFmpegError as error:
            raise AudioError("the head of Opus is damaged") from error
        self._decoder = decoder
        return rest


def _decode(decoder: av.AudioCodecContext, packet: bytes) -> list[av.AudioFrame]:
    # An empty packet would flush the decoder.
    if not packet or packet.startswith(OPUS_TAGS):
        return []
    with suppress(av.FFmpegError):
        return decoder.decode(av.Packet(packet))
    return []


def unsupported_stream(reason: str) -> AudioError:
    """The error for a stream that is of a kind that is not taken."""
    return AudioError(reason, code=ErrorCode.UNSUPPORTED_AUDIO_FORMAT, details={"allowed": ["pcm16", "webm", "ogg"]})
