"""Ogg, page by page as it comes (RFC 3533), for a track of Opus (RFC 7845)."""

from collections.abc import Iterator

from simplevoice.errors import AudioError
from simplevoice.speech.opus import MAX_PACKET_BYTES, OPUS_HEAD

_CAPTURE_PATTERN = b"OggS"
_HEADER_BYTES = 27
_CONTINUED = 1
_BEGINS_STREAM = 2


class OggDemuxer:
    """Takes an Ogg file in pieces of any size and gives the packets of its Opus track, OpusHead first.

    Another file may follow. Other tracks and packets longer than Opus allows, such as tags with a picture, are left
    out. Holds at most a page and a packet.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._serial: bytes | None = None
        self._packet = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the packets that are whole now. Raises AudioError for what is no Ogg."""
        self._buffer += data
        while (page := self._take_page()) is not None:
            yield from self._read_page(page)

    def _take_page(self) -> bytes | None:
        buffer = self._buffer
        if not _CAPTURE_PATTERN.startswith(buffer[:4]):
            raise AudioError("no Ogg page where one should begin")
        if len(buffer) < _HEADER_BYTES:
            return None
        body = _HEADER_BYTES + buffer[26]
        end = body + sum(buffer[_HEADER_BYTES:body])
        if len(buffer) < end or len(buffer) < body:
            return None
        page = bytes(buffer[:end])
        del buffer[:end]
        return page

    def _read_page(self, page: bytes) -> list[bytes]:
        flags, serial = page[5], page[14:18]
        at = _HEADER_BYTES + page[26]
        if flags & _BEGINS_STREAM and page.startswith(OPUS_HEAD, at):
            self._serial = serial
        if serial != self._serial:
            return []
        if not flags & _CONTINUED:
            self._packet.clear()
        packets = []
        for size in page[_HEADER_BYTES:at]:
            if len(self._packet) <= MAX_PACKET_BYTES:
                self._packet += page[at : at + size]
            at += size
            if size < 255:
                if len(self._packet) <= MAX_PACKET_BYTES:
                    packets.append(bytes(self._packet))
                self._packet.clear()
        return packets
