"""What is fuzzed, and what must hold whatever comes in: an answer, or the one error that says what is wrong."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from simplevoice.conversation.notices import error_message
from simplevoice.errors import AudioError, ClientError
from simplevoice.protocol import decode, encode
from simplevoice.speech import codec
from simplevoice.speech.mp3 import FrameSplitter
from simplevoice.speech.ogg import OggDemuxer
from simplevoice.speech.stream import open_stream
from simplevoice.speech.webm import WebmDemuxer
from simplevoice.types import INPUT_FORMATS, INPUT_SAMPLE_RATE
from tests import media
from tests.fuzz import corpus

MAX_SECONDS = 10.0


class Target(msgspec.Struct, frozen=True):
    """A function to feed, and where to begin. ``repair`` sets right what would stop a decoder at its door."""

    what: str
    feed: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    repair: Callable[[bytes], bytes] | None = None
    max_bytes: int = 16_384


def feed_protocol(data: bytes) -> None:
    """A text frame is a message, or one error that can be sent."""
    try:
        encode(decode(data.decode("utf-8", "replace")))
    except ClientError as error:
        encode(error_message(error, "en"))


def feed_sniffer(data: bytes) -> None:
    """Any bytes have a name, or none."""
    assert codec.sniff(data) in (None, *INPUT_FORMATS)


def feed_recording(data: bytes) -> None:
    """A file becomes as much sound as is allowed, and some milliseconds of resampling."""
    try:
        audio = codec.decode(data, max_seconds=MAX_SECONDS)
    except AudioError:
        return
    assert 0 < len(audio.raw_data) <= (MAX_SECONDS + 1) * INPUT_SAMPLE_RATE * 2


def feed_stream(data: bytes) -> None:
    """A stream is decoded piece by piece; how it is cut makes no difference to its packets."""
    size, stream = data[:1], data[1:]
    for demuxer in (WebmDemuxer, OggDemuxer):
        whole = _packets(demuxer(), [stream])
        pieces = _packets(demuxer(), _cut(stream, size[0] + 1 if size else 1))
        assert pieces == whole
    for container in ("webm", "ogg"):
        decoder = open_stream(container)
        try:
            for piece in _cut(stream, 4096):
                deque(decoder.feed(piece), maxlen=0)
            decoder.finish()
        except AudioError:
            continue


def feed_mp3(data: bytes) -> None:
    """A speech service's MP3 is cut into frames, the same ones however it comes."""
    size, stream = data[:1], data[1:]
    splitter = FrameSplitter()
    pieces = [frame for piece in _cut(stream, size[0] + 1 if size else 1) for frame in splitter.feed(piece)]
    assert pieces == FrameSplitter().feed(stream)


def _packets(demuxer: WebmDemuxer | OggDemuxer, pieces: Iterable[bytes]) -> list[bytes]:
    """The packets up to the end, or to where the stream breaks."""
    packets = []
    try:
        for piece in pieces:
            for packet in demuxer.feed(piece):
                packets.append(packet)  # noqa: PERF402 - what came before an error counts
    except AudioError:
        packets.append(b"broken")
    return packets


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


TARGETS = {
    "protocol": Target("text messages: `protocol.decode`", feed_protocol, corpus.messages, max_bytes=4096),
    "sniffer": Target("the first bytes of a recording: `codec.sniff`", feed_sniffer, corpus.recordings),
    "recording": Target("whole recordings: `codec.decode`", feed_recording, corpus.recordings, media.with_valid_pages),
    "stream": Target("WebM and Ogg as they come: `speech.stream`", feed_stream, corpus.pieces, media.with_valid_pages),
    "mp3": Target("a speech service's MP3: `speech.mp3`", feed_mp3, corpus.mp3_pieces),
}
