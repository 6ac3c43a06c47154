"""Recordings that name files and addresses, hold a thousand tracks, or break off: none does harm."""

import ctypes
import os
import socket
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import av
import pytest

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.codec import _open, _Source, decode
from simplevoice.types import INPUT_FORMATS, InputFormat
from tests.hostile_media import REFERENCES, compressed_block, compressed_zeros, many_tracks
from tests.media import encode, tone, wav, with_valid_pages

IN_OPEN = 0x20
MAX_SECONDS = 10.0


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


@pytest.mark.parametrize("container", ["m4a", "webm", "ogg"])
def test_a_few_tracks_are_taken(container: InputFormat) -> None:
    assert code_of(many_tracks(container, 4)) is None


@pytest.mark.parametrize("container", ["m4a", "ogg"])
def test_a_thousand_tracks_are_not_taken(container: InputFormat) -> None:
    assert code_of(many_tracks(container, 1000)) is ErrorCode.AUDIO_DECODE_FAILED


def test_of_a_thousand_tracks_of_webm_only_the_first_are_looked_at() -> None:
    with _open(_Source(many_tracks("webm", 1000), budget_seconds=1), "webm") as container:
        assert len(container.streams) == 32


LATER = {
    "the same": lambda: encode(tone(300), "ogg"),
    "another codec": lambda: encode(tone(300), "ogg", codec="flac"),
    "another codec, in between": lambda: interleaved(encode(tone(300), "ogg"), encode(tone(300), "ogg", codec="flac")),
}


@pytest.mark.parametrize("kind", LATER)
def test_tracks_that_come_later_are_left_out(kind: str) -> None:
    """PyAV 18.1 looks for them beyond its table of tracks, and takes what happens to stand there for an answer."""
    first = encode(tone(300), "ogg")
    audio = decode(with_valid_pages(first + LATER[kind]() * 5), max_seconds=MAX_SECONDS)
    assert 250 <= len(audio) <= 350 * 6


def test_tracks_of_an_m4a_that_come_later_are_left_out() -> None:
    data = encode(tone(300), "m4a", options={"movflags": "frag_keyframe+empty_moov"})
    track = data.index(b"trak") - 4
    more = data[track : track + int.from_bytes(data[track : track + 4], "big")] * 8
    index, end = data.index(b"moof") - 4, data.index(b"mfra") - 4
    assert code_of(data[:end] + more + data[index:]) is None


def interleaved(one: bytes, other: bytes) -> bytes:
    """The pages of both in turn."""
    pages = [[b"OggS" + page for page in data.split(b"OggS")[1:]] for data in (one, other)]
    return b"".join(page for pair in zip_longest(*pages, fillvalue=b"") for page in pair)


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
    assert code_of(compressed_block(zlib.compress(bytes(1600)))) is None
    assert code_of(compressed_block(compressed_zeros(1000))) in (ErrorCode.AUDIO_DECODE_FAILED, ErrorCode.EMPTY_AUDIO)
