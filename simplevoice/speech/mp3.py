"""MPEG audio layer III frame by frame: where frames begin, and what their headers say.

ISO/IEC 11172-3 section 2.4.1.3 and ISO/IEC 13818-3; MPEG 2.5 is the common extension to 8-12 kHz.
"""

import re

import msgspec

HEADER_BYTES = 4

_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BEGINNING = re.compile(rb"\xff|ID3")
_MPEG_1 = 3
_LAYER_III = 1
_MONO = 3


class FrameHeader(msgspec.Struct, frozen=True):
    """One frame: ``size`` in bytes with its header, ``samples`` per channel, ``sample_rate`` in Hz."""

    size: int
    samples: int
    sample_rate: int
    channels: int
    side_info_bytes: int


def parse_header(data: bytes, at: int = 0) -> FrameHeader | None:
    """Read the frame header at ``at``; None when there is none. A free-format bitrate is taken for none."""
    if len(data) < at + HEADER_BYTES or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    bitrate, rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version not in _SAMPLE_RATES or layer != _LAYER_III or bitrate in (0, 15) or rate == 3:
        return None
    mpeg1 = version == _MPEG_1
    mono = data[at + 3] >> 6 == _MONO
    samples = 1152 if mpeg1 else 576
    sample_rate = _SAMPLE_RATES[version][rate]
    bits_per_second = (_KBITS_1 if mpeg1 else _KBITS_2)[bitrate] * 1000
    return FrameHeader(
        size=samples // 8 * bits_per_second // sample_rate + padding,
        samples=samples,
        sample_rate=sample_rate,
        channels=1 if mono else 2,
        side_info_bytes=(17 if mono else 32) if mpeg1 else (9 if mono else 17),
    )


def starts_with_frame(data: bytes) -> bool:
    """Tell whether the bytes begin with a frame, followed by another one if they reach that far."""
    first = parse_header(data)
    if first is None:
        return False
    return len(data) < first.size + HEADER_BYTES or _follows(first, parse_header(data, first.size))


class FrameSplitter:
    """Cuts a stream of MP3 bytes, as a network delivers it, into whole frames.

    Tags and the frames that carry an encoder's notes instead of sound (Xing, Info, VBRI) are left out, so that
    streams can follow each other. Holds at most one tag or frame.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[tuple[FrameHeader, bytes]]:
        """Return the frames that are whole now."""
        buffer = self._rest + data
        at = 0
        frames = []
        while True:
            skipped = min(self._skip, len(buffer) - at)
            self._skip -= skipped
            at += skipped
            if len(buffer) - at < 10:
                break
            if buffer[at : at + 3] == b"ID3":
                self._skip = _id3_bytes(buffer, at)
                continue
            header = parse_header(buffer, at)
            if header is None:
                found = _BEGINNING.search(buffer, at + 1)
                at = found.start() if found else max(at + 1, len(buffer) - 2)
                continue
            if len(buffer) - at < header.size:
                break
            frame = buffer[at : at + header.size]
            at += header.size
            if not _is_notes(header, frame):
                frames.append((header, frame))
        self._rest = buffer[at:]
        return frames


def _follows(first: FrameHeader, second: FrameHeader | None) -> bool:
    return second is not None and second.sample_rate == first.sample_rate


def _id3_bytes(data: bytes, at: int) -> int:
    """Size of the ID3v2 tag at ``at``: ten bytes and a length of four times seven bits."""
    a, b, c, d = (byte & 0x7F for byte in data[at + 6 : at + 10])
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _is_notes(header: FrameHeader, frame: bytes) -> bool:
    at = HEADER_BYTES + header.side_info_bytes
    return frame[at : at + 4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"
