"""MP3 frames found in streams that are cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.speech.mp3 import FrameSplitter, parse_header, starts_with_frame
from tests.media import encode, tone

EDGE = encode(tone(1000, rate=24_000), "mp3", codec_options={"b": "48000"})
"""24 kHz mono 48 kbit/s as Edge speaks, but with an ID3 tag and a Xing frame before it."""


def split(data: bytes, step: int = 1 << 20) -> list[bytes]:
    splitter = FrameSplitter()
    return [f for at in range(0, len(data), step) for _, f in splitter.feed(data[at : at + step])]


def bare(data: bytes) -> bytes:
    return b"".join(split(data))


def test_a_header_tells_its_frame() -> None:
    header = parse_header(bytes.fromhex("fff364c4"))
    assert header is not None
    assert (header.size, header.samples, header.sample_rate, header.channels) == (144, 576, 24_000, 1)


@pytest.mark.parametrize(
    ("rate", "kbits", "channels", "samples"),
    [(44_100, 128, 2, 1152), (48_000, 64, 1, 1152), (22_050, 32, 1, 576), (16_000, 24, 2, 576), (8_000, 8, 1, 576)],
)
def test_frames_of_every_version_follow_each_other(rate: int, kbits: int, channels: int, samples: int) -> None:
    data = encode(tone(1000, rate, channels), "mp3", codec_options={"b": str(kbits * 1000)})
    frames = FrameSplitter().feed(data)
    assert {(h.sample_rate, h.channels, h.samples) for h, _ in frames} == {(rate, channels, samples)}
    assert 1000 <= sum(h.samples for h, _ in frames) * 1000 / rate < 1200
    assert data.endswith(b"".join(f for _, f in frames))


@pytest.mark.parametrize("data", ["", "fff3", "fffb00c4", "fffbf0c4", "fffb9cc4", "fff164c4", "ffeb64c4", "0000"])
def test_no_header_is_no_frame(data: str) -> None:
    assert parse_header(bytes.fromhex(data)) is None


def test_a_file_starts_with_a_frame_only_if_another_follows() -> None:
    frames = bare(EDGE)
    assert starts_with_frame(frames)
    assert starts_with_frame(frames[:100])
    assert not starts_with_frame(frames[:144] + bytes(200))


@given(st.integers(1, 400))
def test_the_cuts_of_the_network_make_no_difference(step: int) -> None:
    assert split(EDGE, step) == split(EDGE)


def test_tags_and_notes_are_left_out() -> None:
    assert EDGE.startswith(b"ID3")
    assert b"Info" in EDGE
    frames = split(EDGE)
    assert all(len(f) == 144 for f in frames)
    assert not any(b"Info" in f for f in frames)


def test_garbage_between_frames_is_left_out() -> None:
    frames = split(EDGE)
    dirty = b"junk\xff\xe0" + frames[0] + b"TAG" + bytes(125) + frames[1] + frames[2]
    assert split(dirty + bytes(10)) == frames[:3]


@given(st.integers(1, 200))
def test_a_tag_is_found_behind_garbage(step: int) -> None:
    assert split(bytes(200) + EDGE, step) == split(EDGE)


def test_a_frame_is_given_as_soon_as_it_is_whole() -> None:
    frames = split(EDGE)
    splitter = FrameSplitter()
    assert splitter.feed(frames[0][:-1]) == []
    assert [f for _, f in splitter.feed(frames[0][-1:])] == frames[:1]


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_are_taken_and_none_invented(pieces: list[bytes]) -> None:
    splitter = FrameSplitter()
    for piece in pieces:
        for header, frame in splitter.feed(piece):
            assert len(frame) == header.size
