"""Packets of Opus become sound."""

import pytest

from simplevoice.errors import AudioError
from simplevoice.speech.ogg import OggDemuxer
from simplevoice.speech.opus import OpusTrack
from tests.media import live, samples, tone

HEAD, TAGS, *SOUND = OggDemuxer().feed(live(tone(1000), "ogg"))


def test_sound_begins_where_it_began() -> None:
    track = OpusTrack()
    pcm = b"".join(map(track.push, [HEAD, TAGS, *SOUND])) + track.flush()
    expected = samples(tone(1000))
    got = samples(pcm)[: len(expected)]
    lag = max(range(-100, 101), key=lambda n: float(expected[2000:9000] @ got[2000 + n : 9000 + n]))
    assert lag % 36 in (0, 1, 35)  # 440 Hz repeat every 36.4 samples
    assert len(pcm) // 2 == pytest.approx(16_000, abs=320)
    assert abs(got[2000:9000]).max() == pytest.approx(8192, rel=0.1)


def test_a_damaged_packet_is_left_out() -> None:
    track = OpusTrack()
    track.push(HEAD)
    assert track.push(b"\xff\xff") == b""
    assert track.push(b"") == b""
    assert len(b"".join(map(track.push, SOUND))) // 2 > 15_000


@pytest.mark.parametrize("packet", [b"", b"\xff\xff", HEAD])
def test_packets_without_sound_come_to_an_end(packet: bytes) -> None:
    track = OpusTrack()
    track.push(HEAD)
    with pytest.raises(AudioError):
        list(map(track.push, [packet] * 100))


@pytest.mark.parametrize("head", [b"OpusHead", HEAD[:12], HEAD[:9] + b"\0" + HEAD[10:]])
def test_a_damaged_head_is_refused(head: bytes) -> None:
    with pytest.raises(AudioError):
        OpusTrack().push(head)


def test_sound_before_the_head_is_refused() -> None:
    with pytest.raises(AudioError):
        OpusTrack().push(SOUND[0])


def test_a_second_head_begins_anew_and_loses_nothing() -> None:
    track = OpusTrack()
    pcm = b"".join(map(track.push, [HEAD, *SOUND, HEAD, TAGS, *SOUND])) + track.flush()
    assert len(pcm) // 2 == pytest.approx(32_000, abs=640)
