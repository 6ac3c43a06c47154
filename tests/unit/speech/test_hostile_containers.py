"""Recordings that name files and addresses, hold a thousand tracks, or break off: none does harm."""

import ctypes
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import av
import pytest

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.codec import _OPTIONS, decode
from simplevoice.types import INPUT_FORMATS, InputFormat
from tests.media import encode, tone, wav, with_valid_pages

IN_OPEN = 0x20
MAX_SECONDS = 10.0


def box(kind: bytes, *content: bytes) -> bytes:
    """Make a box of MP4."""
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def element(kind: int, *content: bytes) -> bytes:
    """Make an element of Matroska."""
    body = b"".join(content)
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + struct.pack(">Q", 1 << 56 | len(body)) + body


def code_of(data: bytes) -> ErrorCode | None:
    """Decode, and tell with what it was refused, None when it was not."""
    try:
        decode(data, max_seconds=MAX_SECONDS)
    except AudioError as error:
        return error.code
    return None


class Watch:
    """Tells whether anybody opened a file, or connected to an address."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "secret.m4a"
        self.file.write_bytes(encode(tone(500), "m4a"))
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK)
        self._libc.inotify_add_watch(self._inotify, os.fsencode(self.file), IN_OPEN)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/secret.m4a"

    @property
    def opened(self) -> bool:
        """Whether the file was opened since the last look."""
        try:
            return bool(os.read(self._inotify, 4096))
        except BlockingIOError:
            return False

    @property
    def called(self) -> bool:
        """Whether somebody connected since the last look."""
        try:
            connection, _ = self._server.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True

    def close(self) -> None:
        os.close(self._inotify)
        self._server.close()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watching = Watch(tmp_path)
    yield watching
    watching.close()


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


@pytest.mark.parametrize("kind", REFERENCES)
def test_nothing_is_opened_that_a_recording_names(watch: Watch, kind: str) -> None:
    make = REFERENCES[kind]
    for name in (str(watch.file), f"file://{watch.file}", watch.url, "secret.m4a"):
        data = make(name)
        for whole in (data, data[:-1]):
            code_of(whole)
            assert not watch.opened
            assert not watch.called


def test_the_watch_would_have_seen_it(watch: Watch, tmp_path: Path) -> None:
    """What libav does with the same files when it may."""
    names = {"HLS playlist": "hls", "concat script": "concat", "M4A with its samples elsewhere": "mov"}
    for kind, demuxer in names.items():
        file = tmp_path / "recording"
        file.write_bytes(REFERENCES[kind](str(watch.file)))
        options = {"hls": {"allowed_extensions": "ALL", "extension_picky": "0"}, "concat": {"safe": "0"}}
        options["mov"] = {"enable_drefs": "1", "use_absolute_path": "1"}
        try:
            with av.open(str(file), format=demuxer, container_options=options[demuxer]) as container:
                next(container.demux())
        except av.FFmpegError:
            pass
        assert watch.opened, kind
    with pytest.raises(av.FFmpegError):
        av.open(watch.url, timeout=0.1)
    assert watch.called


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


@pytest.mark.parametrize("container", ["m4a", "webm", "ogg"])
def test_a_few_tracks_are_taken(container: InputFormat) -> None:
    assert code_of(many_tracks(container, 4)) is None


@pytest.mark.parametrize("container", ["m4a", "ogg"])
def test_a_thousand_tracks_are_not_taken(container: InputFormat) -> None:
    assert code_of(many_tracks(container, 1000)) is ErrorCode.AUDIO_DECODE_FAILED


def test_of_a_thousand_tracks_of_webm_only_the_first_are_looked_at() -> None:
    with av.open(BytesIO(many_tracks("webm", 1000)), format="matroska", container_options=_OPTIONS) as container:
        assert len(container.streams) == 32


@pytest.mark.parametrize("container", INPUT_FORMATS)
def test_cut_off_at_every_byte(container: InputFormat) -> None:
    """The heads: behind them all is alike, and hypothesis cuts there."""
    data = encode(tone(60), container)
    assert code_of(data) is None
    for size in range(1, min(len(data), 600)):
        code = code_of(data[:size])
        assert code in (None, ErrorCode.UNSUPPORTED_AUDIO_FORMAT, ErrorCode.AUDIO_DECODE_FAILED, ErrorCode.EMPTY_AUDIO)


def test_chunks_of_odd_length_and_unknown_kind_in_a_wav() -> None:
    data = wav(tone(500).raw_data)
    odd = b"LIST\x05\0\0\0INFOa\0" + b"junk\x05\0\0\0ffcon\0"
    lying = b"LIST\xff\xff\xff\x7f"
    assert code_of(data[:12] + odd + data[12:]) is None
    assert code_of(data[:36] + odd + data[36:]) is None
    assert code_of(data[:12] + lying + data[12:]) in (ErrorCode.AUDIO_DECODE_FAILED, ErrorCode.EMPTY_AUDIO)


def test_compressed_blocks_are_unpacked_within_bounds() -> None:
    """A megabyte of zlib that would be a gigabyte of one Matroska block; a small one shows that they are unpacked."""
    assert code_of(compressed_block(bytes(1600))) is None
    assert code_of(compressed_block(*[bytes(2**20)] * 1000)) in (ErrorCode.AUDIO_DECODE_FAILED, ErrorCode.EMPTY_AUDIO)


def compressed_block(*pcm: bytes) -> bytes:
    packer = zlib.compressobj(9)
    packed = b"".join(map(packer.compress, pcm)) + packer.flush()
    encoding = element(0x6D80, element(0x6240, element(0x5034, element(0x4254, b"\0"))))
    sound = element(0xE1, element(0xB5, struct.pack(">d", 16_000.0)), element(0x9F, b"\1"), element(0x6264, b"\x10"))
    name = element(0x86, b"A_PCM/INT/LIT")
    track = element(0xAE, element(0xD7, b"\1"), element(0x83, b"\2"), name, sound, encoding)
    cluster = element(0x1F43B675, element(0xE7, b"\0"), element(0xA3, b"\x81\0\0\x80", packed))
    return element(0x1A45DFA3, element(0x4282, b"matroska")) + element(0x18538067, element(0x1654AE6B, track), cluster)
