"""Recordings that name files and addresses, hold a thousand tracks, or unpack without end."""

import os
import struct
import zlib
from collections.abc import Callable

from simplevoice.types import InputFormat
from tests.media import encode, live, tone, with_valid_pages


def box(kind: bytes, *content: bytes) -> bytes:
    """Make a box of MP4."""
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def element(kind: int, *content: bytes) -> bytes:
    """Make an element of Matroska."""
    body = b"".join(content)
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + struct.pack(">Q", 1 << 56 | len(body)) + body


def playlist(name: str) -> bytes:
    return b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n" + name.encode() + b"\n#EXT-X-ENDLIST\n"


def concat(name: str) -> bytes:
    return b"ffconcat version 1.0\nfile '" + name.encode() + b"'\n"


def tagged(text: bytes) -> bytes:
    """The text behind an empty ID3 tag, which makes it look like an MP3."""
    return b"ID3\4\0\0\0\0\0\0" + text


def in_wav(text: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(text) + 4) + b"WAVE" + text


def elsewhere(name: str) -> bytes:
    """An M4A whose samples lie in another file: an alias for one on disk, else a URL."""
    data = encode(tone(500), "m4a")
    begin = data.index(b"dref") - 4
    end = begin + struct.unpack(">I", data[begin : begin + 4])[0]
    entry = box(b"url ", bytes(4), name.encode() + b"\0") if "://" in name else box(b"alis", bytes(4), alias(name))
    sizes = end - begin
    dref = box(b"dref", bytes(4), struct.pack(">I", 1), entry)
    grown = bytearray(data[:begin] + dref + data[end:])
    for around in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = grown.index(around) - 4
        struct.pack_into(">I", grown, at, struct.unpack_from(">I", grown, at)[0] + len(dref) - sizes)
    return bytes(grown)


def alias(path: str) -> bytes:
    """An alias record of the Mac: a fixed head, then what is known of the place; type 2 is the absolute path."""
    place = path.encode()
    name = os.path.basename(path).encode()  # noqa: PTH119 - as it stands in the record
    head = bytes(4) + struct.pack(">HH", 150, 2) + bytes(2)
    volume = bytes([0]) + bytes(27) + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    rest = struct.pack(">HH", 0, 0) + bytes(16)
    return head + volume + rest + struct.pack(">HH", 2, len(place)) + place + b"\0" * (len(place) % 2) + b"\xff\xff\0\0"


def reference_movie(name: str) -> bytes:
    """A QuickTime movie that is only a pointer to another."""
    pointer = box(b"rdrf", bytes(4), b"url ", struct.pack(">I", len(name) + 1), name.encode() + b"\0")
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"rmra", box(b"rmda", pointer)))


def linked_segment(name: str) -> bytes:
    """A WebM that says in which file it goes on, and that carries the file's name as an attachment."""
    data = encode(tone(500), "webm")
    info = data.index(b"\x15\x49\xa9\x66")
    link = element(0x1549A966, element(0x2AD7B1, b"\x0f\x42\x40"), element(0x3E83BB, name.encode()))
    attachment = element(
        0x1941A469,
        element(
            0x61A7, element(0x466E, name.encode()), element(0x4660, b"text/plain"), element(0x465C, playlist(name))
        ),
    )
    return data[:info] + link + attachment + data[info:]


def linked_picture(name: str) -> bytes:
    """A FLAC whose cover picture is a link."""
    sound = encode(tone(500), "flac")
    kind, place = b"-->", name.encode()
    picture = struct.pack(">II", 3, len(kind)) + kind + bytes(4) + bytes(16) + struct.pack(">I", len(place)) + place
    return b"fLaC" + b"\0" + sound[5:42] + b"\x06" + len(picture).to_bytes(3, "big") + picture + sound[42:]


REFERENCES: dict[str, Callable[[str], bytes]] = {
    "HLS playlist": playlist,
    "concat script": concat,
    "HLS playlist behind an ID3 tag": lambda name: tagged(playlist(name)),
    "concat script behind an ID3 tag": lambda name: tagged(concat(name)),
    "HLS playlist in a WAV": lambda name: in_wav(playlist(name)),
    "M4A with its samples elsewhere": elsewhere,
    "QuickTime reference movie": reference_movie,
    "WebM that goes on elsewhere": linked_segment,
    "FLAC with a linked picture": linked_picture,
}


def many_tracks(container: InputFormat, count: int) -> bytes:
    """The same track, again and again."""
    data = encode(tone(100), container)
    if container == "ogg":
        first = data[: data.index(b"OggS", 4)]
        heads = (first[:14] + struct.pack("<I", number) + first[18:] for number in range(count))
        return with_valid_pages(first + b"".join(heads) + data[len(first) :])
    if container == "webm":
        segment, clusters = data.index(b"\x18\x53\x80\x67"), data.index(b"\x1f\x43\xb6\x75")
        opus = element(0x86, b"A_OPUS") + element(0x63A2, data[data.index(b"OpusHead") :][:19])
        sound = element(0xE1, element(0xB5, struct.pack(">d", 48_000.0)))
        entries = [
            element(0xAE, element(0xD7, struct.pack(">H", n + 1)), element(0x83, b"\2"), opus, sound)
            for n in range(count)
        ]
        return data[:segment] + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + element(0x1654AE6B, *entries) + data[clusters:]
    movie = data.index(b"moov") - 4
    track = data.index(b"trak") - 4
    end = track + struct.unpack(">I", data[track : track + 4])[0]
    until = movie + struct.unpack(">I", data[movie : movie + 4])[0]
    return data[:movie] + box(b"moov", data[movie + 8 : track], data[track:end] * count, data[end:until]) + data[until:]


def compressed_block(packed: bytes) -> bytes:
    """A Matroska with one block of 16-bit samples, which zlib packed."""
    encoding = element(0x6D80, element(0x6240, element(0x5034, element(0x4254, b"\0"))))
    sound = element(0xE1, element(0xB5, struct.pack(">d", 16_000.0)), element(0x9F, b"\1"), element(0x6264, b"\x10"))
    name = element(0x86, b"A_PCM/INT/LIT")
    track = element(0xAE, element(0xD7, b"\1"), element(0x83, b"\2"), name, sound, encoding)
    cluster = element(0x1F43B675, element(0xE7, b"\0"), element(0xA3, b"\x81\0\0\x80", packed))
    return element(0x1A45DFA3, element(0x4282, b"matroska")) + element(0x18538067, element(0x1654AE6B, track), cluster)


OPUS_SILENCE = b"\xfb\x06"
"""Six frames of 20 ms in two bytes: all of them left out, as for packets that were lost."""


def opus_of(packet: bytes, count: int) -> bytes:
    """A live Ogg of the same packet of Opus, so many times."""
    head = live(tone(200), "ogg")
    sound = head.index(b"OggS", head.index(b"OpusTags"))
    flags, serial = head[5:6], head[14:18]
    assert flags == b"\2"
    pages = [head[:sound]]
    for start in range(0, count, 255):
        number = min(255, count - start)
        place = struct.pack("<q", (start + number) * 5760) + serial + struct.pack("<I", len(pages) + 1) + bytes(4)
        pages.append(b"OggS\0\0" + place + bytes([number]) + bytes([len(packet)]) * number + packet * number)
    return with_valid_pages(b"".join(pages))


def compressed_zeros(mib: int) -> bytes:
    """So many MiB of zeros, as zlib packs them."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(mib)) + packer.flush()


def compressed_index(mib: int) -> bytes:
    """An M4A whose index is compressed, and nothing but zeros."""
    packed = struct.pack(">I", mib * 2**20) + compressed_zeros(mib)
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", packed)))


def compressed_tag(mib: int) -> bytes:
    """An ID3 tag with a title of nothing but zeros, compressed, to stand before an MP3."""
    packed = compressed_zeros(mib)
    frame = b"TIT2" + _syncsafe(len(packed) + 4) + b"\0\x09" + _syncsafe(mib * 2**20) + packed
    return b"ID3\4\0\0" + _syncsafe(len(frame)) + frame


def _syncsafe(value: int) -> bytes:
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))
