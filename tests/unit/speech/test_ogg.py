"""Ogg pages cut anywhere."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.errors import AudioError
from simplevoice.speech.ogg import OggDemuxer
from simplevoice.speech.opus import MAX_PACKET_BYTES
from tests.media import live, tone

LIVE = live(tone(1000), "ogg")
HEAD = b"OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00"


def page(*lacing: int, body: bytes, flags: int = 0, serial: int = 7) -> bytes:
    return struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, 0, 0, len(lacing)) + bytes(lacing) + body


def packets(data: bytes, step: int = 1 << 20) -> list[bytes]:
    demuxer = OggDemuxer()
    return [p for at in range(0, len(data), step) for p in demuxer.feed(data[at : at + step])]


FIRST = page(19, body=HEAD, flags=2)


@given(st.integers(1, 300))
def test_the_cuts_make_no_difference(step: int) -> None:
    assert packets(LIVE, step) == packets(LIVE)


def test_head_and_tags_come_first() -> None:
    found = packets(LIVE)
    assert found[0].startswith(b"OpusHead")
    assert found[1].startswith(b"OpusTags")
    assert len(found) == pytest.approx(2 + 50, abs=2)


def test_packets_continue_over_pages() -> None:
    data = FIRST + page(3, 255, body=b"one" + b"a" * 255) + page(2, 0, body=b"bb", flags=1)
    assert packets(data) == [HEAD, b"one", b"a" * 255 + b"bb", b""]


def test_a_packet_whose_beginning_is_lost_is_not_joined_to_another() -> None:
    data = FIRST + page(255, body=b"a" * 255) + page(2, body=b"bb")
    assert packets(data) == [HEAD, b"bb"]


def test_other_tracks_are_left_out() -> None:
    other = page(5, body=b"\x80theo", flags=2, serial=8) + page(3, body=b"pic", serial=8)
    assert packets(other + FIRST + page(1, body=b"x") + page(3, body=b"pic", serial=8)) == [HEAD, b"x"]


def test_another_file_may_follow() -> None:
    again = page(19, body=HEAD, flags=2, serial=9) + page(1, body=b"y", serial=9)
    assert packets(FIRST + page(1, body=b"x") + again) == [HEAD, b"x", HEAD, b"y"]


def test_an_endless_packet_is_left_out_and_not_kept() -> None:
    demuxer = OggDemuxer()
    list(demuxer.feed(FIRST))
    endless = page(*[255] * 255, body=bytes(255 * 255), flags=1)
    for _ in range(100):
        assert list(demuxer.feed(endless)) == []
    assert len(demuxer._packet) <= MAX_PACKET_BYTES + 255
    assert list(demuxer.feed(page(1, body=b"x", flags=1) + page(1, body=b"y"))) == [b"y"]


@pytest.mark.parametrize("data", [b"RIFF", b"Og!", FIRST + b"garbage"])
def test_what_is_no_ogg_is_refused(data: bytes) -> None:
    with pytest.raises(AudioError):
        packets(data)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_bytes_behind_a_page_are_survived(pieces: list[bytes]) -> None:
    demuxer = OggDemuxer()
    try:
        for piece in [LIVE[:500], *pieces]:
            list(demuxer.feed(piece))
    except AudioError:
        return
