"""WebM elements cut anywhere, of known and unknown size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.webm import WebmDemuxer
from tests.media import encode, live, recording, tone

HEAD = b"OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00"
LIVE = live(recording("en-LJ011-0202.wav"))


def element(kind: str, content: bytes, *, unknown: bool = False) -> bytes:
    size = (1 << 56) - 1 if unknown else len(content)
    return bytes.fromhex(kind) + (1 << 56 | size).to_bytes(8, "big") + content


def track(number: int, codec: bytes, private: bytes = b"", more: bytes = b"") -> bytes:
    return element("ae", element("d7", bytes([number])) + element("86", codec) + element("63a2", private) + more)


def file(*tracks: bytes, cluster: bytes = b"") -> bytes:
    inside = element("1549a966", b"info") + element("1654ae6b", b"".join(tracks))
    inside += element("1f43b675", element("e7", b"\0") + cluster, unknown=True)
    return element("1a45dfa3", element("4282", b"webm")) + element("18538067", inside, unknown=True)


def block(lace: bytes, flags: int = 0, number: int = 1) -> bytes:
    return element("a3", bytes([0x80 | number, 0, 0, flags]) + lace)


def packets(data: bytes, step: int = 1 << 20) -> list[bytes]:
    demuxer = WebmDemuxer()
    return [p for at in range(0, len(data), step) for p in demuxer.feed(data[at : at + step])]


OPUS = track(1, b"A_OPUS", HEAD)


@given(st.integers(1, 300))
def test_the_cuts_make_no_difference(step: int) -> None:
    assert packets(LIVE, step) == packets(LIVE)


def test_a_live_recording_has_the_packets_of_a_file() -> None:
    assert packets(LIVE) == packets(encode(recording("en-LJ011-0202.wav"), "webm"))
    assert packets(LIVE)[0].startswith(b"OpusHead")
    assert len(packets(LIVE)) == pytest.approx(1 + 3142 / 20, abs=3)


@pytest.mark.parametrize(
    ("flags", "lace"),
    [
        (0x02, b"\x02\x01\xff\x01" + b"a" + b"b" * 256 + b"ccc"),
        (0x06, b"\x02\x81\x60\xfe" + b"a" + b"b" * 256 + b"ccc"),
    ],
)
def test_laces_of_different_sizes(flags: int, lace: bytes) -> None:
    assert packets(file(OPUS, cluster=block(lace, flags))) == [HEAD, b"a", b"b" * 256, b"ccc"]


def test_a_lace_of_one_size() -> None:
    assert packets(file(OPUS, cluster=block(b"\x02aabbcc", 0x04))) == [HEAD, b"aa", b"bb", b"cc"]


def test_block_groups_are_entered() -> None:
    group = element("a0", element("a1", b"\x81\0\0\0sound") + element("75a2", b"\1"))
    assert packets(file(OPUS, cluster=group)) == [HEAD, b"sound"]


def test_other_tracks_are_left_out() -> None:
    video = track(2, b"V_VP8")
    cluster = block(bytes(100_000), number=2) + block(b"sound")
    assert packets(file(video, OPUS, cluster=cluster)) == [HEAD, b"sound"]


def test_another_file_may_follow() -> None:
    one = file(OPUS, cluster=block(b"x"))
    assert packets(one + one) == [HEAD, b"x", HEAD, b"x"]


@pytest.mark.parametrize(
    "tracks", [[], [track(1, b"A_VORBIS")], [track(1, b"A_OPUS", HEAD, element("6d80", element("6240", b"")))]]
)
def test_without_opus_there_is_nothing_to_decode(tracks: list[bytes]) -> None:
    with pytest.raises(AudioError) as caught:
        packets(file(*tracks))
    assert caught.value.code is ErrorCode.UNSUPPORTED_AUDIO_FORMAT
    assert caught.value.details == {"allowed": ["pcm16", "webm", "ogg"]}


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 20,
        element("18538067", b""),
        element("1a45dfa3", b"", unknown=True),
        element("1a45dfa3", b"") + b"\xae\x10\xff\xff\xff\xff",
        file(OPUS, cluster=block(b"\x09\xff\xff", 0x02)),
        file(OPUS, cluster=block(b"\x01\xff", 0x06)),
        file(OPUS, cluster=element("a3", b"")),
        file(element("ae", b"\xd7\x85\x01")),
    ],
)
def test_what_is_no_webm_is_refused(data: bytes) -> None:
    with pytest.raises(AudioError):
        packets(data)


def test_a_large_element_that_nobody_reads_is_not_kept() -> None:
    demuxer = WebmDemuxer()
    list(demuxer.feed(file(OPUS) + b"\xec\x08\xff\xff\xff\xff"))
    for _ in range(50):
        assert list(demuxer.feed(bytes(100_000))) == []
    assert len(demuxer._buffer) == 0


@given(
    patches=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    within=st.sampled_from([100, 400, 1 << 20]),
    step=st.sampled_from([1 << 20, 700]),
)
def test_changed_bytes_are_survived(patches: list[tuple[float, bytes]], within: int, step: int) -> None:
    data = bytearray(LIVE)
    for share, patch in patches:
        at = int(min(len(data), within) * share)
        data[at : at + len(patch)] = patch
    try:
        packets(bytes(data), step)
    except AudioError:
        return


def test_a_tone_is_cut_into_packets_of_20_ms() -> None:
    assert len(packets(live(tone(400)))) == pytest.approx(1 + 20, abs=2)
