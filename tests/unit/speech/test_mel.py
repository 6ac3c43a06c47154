import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from pydub import AudioSegment

from simplevoice.speech.mel import Floats, log_mel
from tests.media import recording, tone


def wave_of(audio: AudioSegment) -> Floats:
    return np.frombuffer(audio.raw_data, np.int16).astype(np.float32) / np.float32(32768)


def test_a_tone_lights_the_band_of_its_frequency() -> None:
    # 80 bands overlap on 45.246 mels (8 kHz on Slaney's scale), so number 20 is around mel 11.73, which is 782 Hz.
    spectrogram = log_mel(wave_of(tone(8000, hz=782)), 80)
    assert spectrogram.shape == (80, 800)
    assert spectrogram.dtype == np.float32
    assert set(spectrogram[:, 10:-10].argmax(axis=0)) == {20}


def test_it_spans_eight_decades_at_most() -> None:
    spectrogram = log_mel(wave_of(tone(1000, hz=500)), 80)
    assert spectrogram.max() - spectrogram.min() == pytest.approx(2.0)  # 8 decades, divided by 4


@pytest.mark.parametrize("bands", [80, 128])
def test_it_is_the_one_of_faster_whisper(bands: int) -> None:
    wave = wave_of(recording("en-LJ042-0094.wav").set_frame_rate(16_000)[:3000])
    theirs = FeatureExtractor(feature_size=bands)(wave, padding=0)
    np.testing.assert_allclose(log_mel(wave, bands), theirs, atol=1e-5)
