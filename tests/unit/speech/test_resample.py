"""Pieces of sound that join without a click."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest

from simplevoice.errors import AudioError
from simplevoice.speech.resample import Resampler, pcm_frame
from tests.media import samples, tone


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("piece", [1, 7, 320, 4801])
def test_pieces_sound_like_the_whole(rate: int, piece: int) -> None:
    pcm = tone(200, rate).raw_data
    whole = Resampler(16_000)
    expected = whole.push(pcm_frame(pcm, rate)) + whole.flush()
    resampler = Resampler(16_000)
    step = piece * 2
    got = b"".join(resampler.push(pcm_frame(pcm[at : at + step], rate)) for at in range(0, len(pcm), step))
    got += resampler.flush()
    assert got == expected
    assert len(got) // 2 == pytest.approx(3200, abs=2)


def test_a_change_of_rate_keeps_all_sound() -> None:
    resampler = Resampler(16_000)
    pcm = b""
    for rate, channels in [(48_000, 1), (44_100, 2), (16_000, 1), (8_000, 1)]:
        pcm += resampler.push(pcm_frame(tone(500, rate, channels).raw_data, rate, channels))
    pcm += resampler.flush()
    assert len(pcm) // 2 == pytest.approx(32_000, abs=8)
    assert np.abs(samples(pcm)).max() == pytest.approx(8192, rel=0.1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_it_starts_no_thread() -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    resampler = Resampler(16_000)
    assert resampler.push(pcm_frame(tone(100, 48_000).raw_data, 48_000))
    assert len(list(Path("/proc/self/task").iterdir())) == before


def test_what_has_the_right_form_passes_through() -> None:
    resampler = Resampler(16_000)
    pcm = tone(100, 16_000).raw_data
    assert resampler.push(pcm_frame(pcm, 16_000)) == pcm
    assert resampler.flush() == b""


def test_samples_of_the_right_form_need_no_frame() -> None:
    resampler = Resampler(16_000)
    pcm = tone(100, 16_000).raw_data
    assert resampler.push_pcm(pcm, 16_000) is pcm


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 2), (24_000, 1), (48_000, 2)])
def test_all_other_samples_are_pushed_as_frames(rate: int, channels: int) -> None:
    pcm = tone(100, rate, channels).raw_data
    resampler, same = Resampler(16_000), Resampler(16_000)
    assert resampler.push_pcm(pcm, rate, channels) == same.push(pcm_frame(pcm, rate, channels))
    assert resampler.push_pcm(pcm, 16_000) == same.flush() + pcm  # what was held back comes before


def test_nothing_is_flushed_twice() -> None:
    resampler = Resampler(16_000)
    assert resampler.flush() == b""
    resampler.push(pcm_frame(tone(100, 48_000).raw_data, 48_000))
    assert resampler.flush() != b""
    assert resampler.flush() == b""


@pytest.mark.parametrize("rate", [999, 768_001])
def test_a_rate_out_of_bounds_is_refused(rate: int) -> None:
    with pytest.raises(AudioError):
        Resampler(16_000).push(pcm_frame(bytes(100), rate))


def test_many_planes_are_refused_before_they_are_touched() -> None:
    frame = av.AudioFrame("fltp", "12 channels", 100)
    frame.sample_rate = 16_000
    with pytest.raises(AudioError):
        Resampler(16_000).push(frame)
