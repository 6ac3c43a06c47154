"""Opus packets, as a demuxer gives them, become samples."""

import av

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.resample import Resampler
from simplevoice.types import INPUT_SAMPLE_RATE

OPUS_HEAD = b"OpusHead"
OPUS_TAGS = b"OpusTags"
MAX_PACKET_BYTES = 61_440
"""What RFC 7845 section 6 lets a decoder refuse to exceed."""

_HEAD_BYTES = 19
_MAX_DAMAGED = 50
"""Packets in a row, about a second: more is no transmission error."""


class OpusTrack:
    """Decodes a track of Opus to 16 kHz mono s16le. A second head begins a new track."""

    def __init__(self) -> None:
        self._decoder: av.AudioCodecContext | None = None
        self._resampler = Resampler(INPUT_SAMPLE_RATE)
        self._damaged = 0

    def push(self, packet: bytes) -> bytes:
        """Decode a packet; a damaged one is left out. Raises AudioError for what is no Opus."""
        if packet.startswith(OPUS_HEAD):
            return self._begin(packet)
        if not packet or packet.startswith(OPUS_TAGS):
            return b""
        if self._decoder is None:
            raise unsupported_stream("a track of Opus without its head")
        try:
            frames = self._decoder.decode(av.Packet(packet))
        except av.FFmpegError as error:
            self._damaged += 1
            if self._damaged > _MAX_DAMAGED:
                raise AudioError("only damaged packets of Opus") from error
            return b""
        self._damaged = 0
        return b"".join(map(self._resampler.push, frames))

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


def unsupported_stream(reason: str) -> AudioError:
    """The error for a stream that is of a kind that is not taken."""
    return AudioError(reason, code=ErrorCode.UNSUPPORTED_AUDIO_FORMAT, details={"allowed": ["pcm16", "webm", "ogg"]})
