"""A client's recording, in any container, becomes an AudioSegment: 16 kHz mono 16-bit.

What comes in is hostile until shown otherwise: the demuxer is the one that the bytes name, never a guess, it reads
memory only, decoders are those of speech, decoding stops at the bound, and libav may neither allocate nor compute
without end: a compressed header or tag unpacks a thousandfold.
"""

import ctypes
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from pydub import AudioSegment

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech import mp3, wav
from simplevoice.speech.resample import Resampler
from simplevoice.types import INPUT_FORMATS, INPUT_SAMPLE_RATE, InputFormat

_DEMUXERS: dict[InputFormat, str] = {
    "wav": "wav",
    "mp3": "mp3",
    "m4a": "mov",
    "webm": "matroska",
    "ogg": "ogg",
    "flac": "flac",
}

_DECODERS = (
    *("opus", "vorbis", "flac", "aac", "alac", "mp3float"),
    *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"),
)

_OPTIONS = {"codec_whitelist": ",".join(_DECODERS), "protocol_whitelist": "none"}
"""No film is decoded to look at it, and no file or address opened that a recording names."""

_MAX_TRACKS = 32
"""libav sets up a decoder for each, and one for AAC takes 0.7 MB."""

_GROWING: frozenset[InputFormat] = frozenset(("m4a", "ogg"))
"""libav may find more tracks of these behind their head, and PyAV would look for them beyond its table of tracks."""

_WAV_OPTIONS = {"max_size": "65536", "probesize": "4096"}
"""libav reads samples 4096 bytes at a time, and looks for DTS in up to 5 MB of them."""

_MAX_ALLOCATION_BYTES = 32 * 2**20
_MIN_SPEED = 10
"""Times as fast as it sounds, in time of the thread; a minute of speech takes about 0.1 s."""

# libavutil's own limit on one block, INT_MAX by default; PyAV does not pass it on.
ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(_MAX_ALLOCATION_BYTES))


def sniff(data: bytes) -> InputFormat | None:
    """Name the container by its first bytes, None when it is not one that can be used."""
    head = data[:12]
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "m4a"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:3] == b"ID3" or mp3.starts_with_frame(data):
        return "mp3"
    return None


def decode(data: bytes, *, max_seconds: float, declared: InputFormat | None = None) -> AudioSegment:
    """Decode one recording to 16 kHz mono 16-bit. Blocks: call it in a thread.

    Decoding stops as soon as more than ``max_seconds`` came out, whatever the headers claim. What is damaged or cut
    off is left out. Raises AudioError: EMPTY_AUDIO, UNSUPPORTED_AUDIO_FORMAT, AUDIO_FORMAT_MISMATCH (``declared``
    contradicts the bytes), AUDIO_TOO_LONG, AUDIO_DECODE_FAILED.
    """
    if not data:
        raise AudioError("no bytes", code=ErrorCode.EMPTY_AUDIO)
    found = sniff(data)
    if found is None:
        raise unsupported("not a known container")
    if declared not in (None, found):
        raise AudioError(
            f"declared as {declared}, but the bytes are {found}",
            code=ErrorCode.AUDIO_FORMAT_MISMATCH,
            details={"declared": declared, "found": found},
        )
    try:
        pcm = _decode_bounded(data, found, max_seconds)
    except av.FFmpegError as error:
        raise AudioError(f"{found} can't be decoded: {error}") from error
    if not pcm:
        raise AudioError(f"{found} without a sample", code=ErrorCode.EMPTY_AUDIO)
    return AudioSegment(data=pcm, sample_width=2, frame_rate=INPUT_SAMPLE_RATE, channels=1)


def unsupported(reason: str) -> AudioError:
    """The error for audio that is of a kind that is not taken."""
    return AudioError(reason, code=ErrorCode.UNSUPPORTED_AUDIO_FORMAT, details={"allowed": list(INPUT_FORMATS)})


def too_long(max_seconds: float) -> AudioError:
    """The error for audio that is longer than it may be."""
    return AudioError(
        f"longer than {max_seconds:g} s", code=ErrorCode.AUDIO_TOO_LONG, details={"max_seconds": max_seconds}
    )


def _decode_bounded(data: bytes, found: InputFormat, max_seconds: float) -> bytes:
    if found == "wav" and (plain := wav.read_plain(data)):
        return _resample_bounded(plain, max_seconds)
    resampler = Resampler(INPUT_SAMPLE_RATE)
    pcm = bytearray()
    length = 0
    source = _Source(data, budget_seconds=1 + max_seconds / _MIN_SPEED)
    with _open(source, found) as container:
        for frame in _frames(container):
            # Counted before resampling: a low rate in the header makes much out of little.
            length += frame.samples * INPUT_SAMPLE_RATE // max(frame.sample_rate, 1)
            if length > max_seconds * INPUT_SAMPLE_RATE:
                raise too_long(max_seconds)
            pcm += resampler.push(frame)
    if source.spent:
        raise AudioError("decoding takes too long")
    return bytes(pcm + resampler.flush())


def _resample_bounded(plain: wav.Plain, max_seconds: float) -> bytes:
    if plain.seconds > max_seconds:
        raise too_long(max_seconds)
    resampler = Resampler(INPUT_SAMPLE_RATE)
    done = [resampler.push_pcm(piece, plain.sample_rate, plain.channels) for piece in plain.pieces()]
    return b"".join([*done, resampler.flush()])


def _open(source: "_Source", found: InputFormat) -> InputContainer:
    """Open a recording, so that it can have no more tracks than its head has."""
    container = _open_with(source, found, _MAX_TRACKS)
    if found in _GROWING:
        tracks = len(container.streams)
        container.close()
        source.seek(0)
        container = _open_with(source, found, max(1, tracks))
    return container


def _open_with(source: "_Source", found: InputFormat, max_tracks: int) -> InputContainer:
    options = _OPTIONS | {"max_streams": str(max_tracks)} | (_WAV_OPTIONS if found == "wav" else {})
    return av.open(source, "r", format=_DEMUXERS[found], container_options=options, metadata_errors="replace")


def _frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """Decode the first track of sound, leaving out what is damaged; when that is all, raise the first damage."""
    # PyAV leaves a stream without a context when libav knows no decoder for it.
    streams = (s for s in container.streams.audio if s.codec_context and s.codec_context.name in _DECODERS)
    stream = next(streams, None)
    if stream is None:
        raise unsupported("no sound, or a codec that is not taken")
    damage: av.FFmpegError | None = None
    decoded = False
    for packet in _packets(container, stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            damage = damage or error
            continue
        decoded = decoded or bool(frames)
        yield from frames
    if damage and not decoded:
        raise damage


def _packets(container: InputContainer, stream: AudioStream) -> Iterator["av.Packet[AudioStream] | None"]:
    """Yield the packets up to where the container breaks or ends, then the None that flushes a decoder."""
    # Damage, a track too many, and a file of another kind behind this one.
    with suppress(av.InvalidDataError, av.MemoryError, av.ArgumentError):
        # An empty packet would flush the decoder in the middle.
        yield from (packet for packet in container.demux(stream) if packet.size)
    yield None


class _Source(BytesIO):
    """The bytes of a recording, which seem to end when its decoding has taken ``budget_seconds`` of the thread."""

    def __init__(self, data: bytes, *, budget_seconds: float) -> None:
        super().__init__(data)
        self._deadline = time.thread_time() + budget_seconds

    @property
    def spent(self) -> bool:
        return time.thread_time() > self._deadline

    def read(self, size: int | None = -1) -> bytes:
        return b"" if self.spent else super().read(size)
