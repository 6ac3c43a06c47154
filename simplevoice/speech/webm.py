"""WebM, element by element as it comes (RFC 8794, RFC 9559), for a track of Opus.

Elements that hold others are entered, not measured: what a Cluster's size is, or that a live recorder left it
unknown, makes no difference.
"""

from collections.abc import Iterator
from typing import TypeVar

from simplevoice.errors import AudioError
from simplevoice.speech.opus import unsupported_stream

_T = TypeVar("_T")

_EBML = 0x1A45DFA3
_SEGMENT, _TRACKS, _CLUSTER, _BLOCK_GROUP = 0x18538067, 0x1654AE6B, 0x1F43B675, 0xA0
_ENTERED = frozenset((_SEGMENT, _TRACKS, _CLUSTER, _BLOCK_GROUP))

_TRACK_ENTRY, _SIMPLE_BLOCK, _BLOCK = 0xAE, 0xA3, 0xA1
_READ = frozenset((_TRACK_ENTRY, _SIMPLE_BLOCK, _BLOCK))

_TRACK_NUMBER, _CODEC_ID, _CODEC_PRIVATE, _CONTENT_ENCODINGS = 0xD7, 0x86, 0x63A2, 0x6D80

_MAX_ELEMENT_BYTES = 2**20
"""A block of another track, video perhaps, is read whole before it is left out."""

_XIPH_LACING, _FIXED_LACING, _EBML_LACING = 1, 2, 3


class WebmDemuxer:
    """Takes a WebM file in pieces of any size and gives the packets of its Opus track, OpusHead first.

    Another file may follow. Other tracks are left out. Holds at most one track entry or block.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self._begun = False
        self._track: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the packets that are whole now. Raises AudioError for what is no WebM, or has no Opus."""
        self._buffer += data
        while (element := self._take_element()) is not None:
            yield from self._read(*element)

    def _take_element(self) -> tuple[int, bytes] | None:
        """Cut off the next element: whole if it is to be read, else only its header."""
        buffer = self._buffer
        skipped = min(self._skip, len(buffer))
        del buffer[:skipped]
        self._skip -= skipped
        header = _element_header(buffer)
        if self._skip or header is None:
            return None
        kind, size, at = header
        if not self._begun and kind != _EBML:
            raise AudioError("WebM should begin with an EBML header")
        self._begun = True
        if kind in _ENTERED:
            size = 0
        elif size is None:
            raise AudioError(f"WebM element {kind:X} of unknown size")
        elif kind not in _READ:
            self._skip, size = size, 0
        elif size > _MAX_ELEMENT_BYTES:
            raise AudioError(f"WebM element {kind:X} of {size} bytes")
        if len(buffer) < at + size:
            return None
        element = bytes(buffer[at : at + size])
        del buffer[: at + size]
        return kind, element

    def _read(self, kind: int, element: bytes) -> list[bytes]:
        if kind == _EBML:
            self._track = None
        elif kind == _TRACK_ENTRY and self._track is None:
            return self._read_track(element)
        elif kind == _CLUSTER and self._track is None:
            raise unsupported_stream("WebM without a track of Opus")
        elif kind in (_SIMPLE_BLOCK, _BLOCK):
            return self._read_block(element)
        return []

    def _read_track(self, element: bytes) -> list[bytes]:
        fields = dict(_children(element))
        if fields.get(_CODEC_ID) != b"A_OPUS" or _CONTENT_ENCODINGS in fields:
            return []
        self._track = int.from_bytes(fields.get(_TRACK_NUMBER, b""), "big")
        return [fields.get(_CODEC_PRIVATE, b"")]

    def _read_block(self, block: bytes) -> list[bytes]:
        """Cut a block into its packets: track number, time of two bytes, flags, perhaps a lace."""
        track, at = _whole(_number(block, 0))
        flags = block[at + 2 : at + 3]
        if track != self._track or not flags:
            return []
        lacing = flags[0] >> 1 & 3
        at += 3
        if not lacing:
            return [block[at:]]
        sizes, at = _lace(block, at, lacing)
        packets = []
        for size in sizes:
            packets.append(block[at : at + size])
            at += size
        return packets


def _lace(block: bytes, at: int, lacing: int) -> tuple[list[int], int]:
    """Read the sizes of the packets that share a block (RFC 9559 section 10.3), and where the first one begins."""
    count = block[at] if at < len(block) else 0
    at += 1
    sizes: list[int] = []
    if lacing == _FIXED_LACING:
        return [(len(block) - at) // (count + 1)] * (count + 1), at
    while len(sizes) < count:
        if lacing == _XIPH_LACING:
            end = at
            while block[end : end + 1] == b"\xff":
                end += 1
            sizes.append(sum(block[at : end + 1]))
            at = end + 1
        else:
            size, after = _whole(_number(block, at))
            bias = (1 << 7 * (after - at) - 1) - 1
            sizes.append(sizes[-1] + size - bias if sizes else size)
            at = after
    sizes.append(len(block) - at - sum(sizes))
    if min(sizes) < 0:
        raise AudioError("a WebM lace is longer than its block")
    return sizes, at


def _children(element: bytes) -> Iterator[tuple[int, bytes]]:
    while element:
        kind, size, at = _whole(_element_header(element))
        if size is None or len(element) < at + size:
            raise AudioError("a WebM element is longer than the one around it")
        yield kind, element[at : at + size]
        element = element[at + size :]


def _element_header(data: bytes | bytearray) -> tuple[int, int | None, int] | None:
    """Return an element's id, its size (None if unknown) and where its content begins; None for too few bytes."""
    kind = _number(data, 0, marker=True)
    size = _number(data, kind[1]) if kind else None
    if kind is None or size is None:
        return None
    unknown = (1 << 7 * (size[1] - kind[1])) - 1
    return kind[0], size[0] if size[0] != unknown else None, size[1]


def _number(data: bytes | bytearray, at: int, *, marker: bool = False) -> tuple[int, int] | None:
    """Read a number of variable length and return it with the index after it; None for too few bytes.

    The zeros before its first one bit, the marker, tell how many bytes follow the first. Ids keep the marker.
    """
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > 8:
        raise AudioError("not a number of WebM")
    if len(data) < at + length:
        return None
    value = int.from_bytes(data[at : at + length], "big")
    return value if marker else value & (1 << 7 * length) - 1, at + length


def _whole(value: _T | None) -> _T:
    if value is None:
        raise AudioError("a WebM element ends too early")
    return value
