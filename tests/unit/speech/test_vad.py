"""The real Silero on real recordings and on what is no speech."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from pydub import AudioSegment

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from simplevoice.speech.vad import FRAME_SAMPLES, Piece, VoiceActivityModel
from tests.media import recording, samples, segment, tone

pytestmark = pytest.mark.models

RANDOM = np.random.default_rng(1)
SPOKEN = ["ar-no.wav", "ar-digits-357029.wav", "en-LJ001-0012.wav", "en-LJ006-0114.wav", "en-LJ011-0202.wav"]


@pytest.fixture(scope="module")
def model() -> VoiceActivityModel:
    return VoiceActivityModel(ModelStore(ModelsConfig()).path("silero-vad") / "silero_vad.onnx")


def heard(name: str) -> AudioSegment:
    return recording(name).set_frame_rate(16_000)


def frames(audio: AudioSegment) -> npt.NDArray[np.int16]:
    pcm = np.frombuffer(audio.raw_data, dtype="<i2")
    return pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def pink(seconds: int, level: float) -> AudioSegment:
    spectrum = np.fft.rfft(RANDOM.standard_normal(16_000 * seconds))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)))
    return segment(np.clip(noise / noise.std() * level, -1, 1) * 32767)


def hum(seconds: int, level: float) -> AudioSegment:
    at = np.arange(16_000 * seconds) / 16_000
    return segment(sum(np.sin(2 * np.pi * 50 * n * at) / n for n in range(1, 8)) * level * 32767)


NOISES = {
    "silence": segment(np.zeros(160_000)),
    "faint white": segment(RANDOM.standard_normal(160_000) * 30),
    "white": segment(RANDOM.standard_normal(160_000) * 3000),
    "pink": pink(10, 0.1),
    "hum": hum(10, 0.2),
    "low tone": tone(10_000, hz=200),
    "tone": tone(10_000, hz=1000),
    "clicks": segment(np.where(np.arange(160_000) % 8000, 0, 32767)),
    "washing machine": recording("noise-washing-machine.wav"),
}


class TestUtterances:
    @pytest.mark.parametrize("name", SPOKEN)
    def test_speech_is_found(self, model: VoiceActivityModel, name: str) -> None:
        audio = heard(name)
        spans = model.speech_spans(audio)
        assert spans
        assert all(0 <= span.start_ms < span.end_ms <= len(audio) for span in spans)
        spoken = sum((audio[span.start_ms : span.end_ms] for span in spans), AudioSegment.empty())
        assert (samples(spoken) ** 2).sum() > 0.95 * (samples(audio) ** 2).sum()

    def test_words_apart_are_spans_apart(self, model: VoiceActivityModel) -> None:
        assert len(model.speech_spans(heard("ar-digits-357029.wav"))) == 6

    @pytest.mark.parametrize("gain", [-20, -10, 6])
    def test_loudness_matters_little(self, model: VoiceActivityModel, gain: int) -> None:
        assert len(model.speech_spans(heard("ar-no.wav").apply_gain(gain))) == 1

    @pytest.mark.parametrize("name", NOISES)
    def test_noise_is_no_speech(self, model: VoiceActivityModel, name: str) -> None:
        assert model.speech_spans(NOISES[name]) == []

    def test_an_utterance_shorter_than_a_frame(self, model: VoiceActivityModel) -> None:
        assert model.speech_spans(segment(np.zeros(100))) == []
        assert model.speech_spans(AudioSegment.empty()) == []

    def test_bounds_are_the_callers(self, model: VoiceActivityModel) -> None:
        word = heard("ar-no.wav")
        assert model.speech_spans(word, min_speech_ms=1000) == []
        digits = heard("ar-digits-357029.wav")
        assert len(model.speech_spans(digits, min_silence_ms=1000)) == 1


class TestStream:
    @pytest.mark.parametrize("noise", ["silence", "white", "pink", "hum", "washing machine"])
    def test_a_minute_of_noise_does_not_deafen(self, model: VoiceActivityModel, noise: str) -> None:
        stream = model.stream()
        background = [stream.probability(frame) for frame in frames(NOISES[noise] * 6)]
        assert sum(p >= 0.5 for p in background) <= 3
        probabilities = [stream.probability(frame) for frame in frames(heard("ar-no.wav"))]
        assert sum(p >= 0.5 for p in probabilities) >= 12

    def test_a_reset_forgets_all(self, model: VoiceActivityModel) -> None:
        stream = model.stream()
        first = [stream.probability(frame) for frame in frames(heard("ar-no.wav"))]
        stream.reset()
        assert [stream.probability(frame) for frame in frames(heard("ar-no.wav"))] == first

    def test_streams_share_nothing_but_the_model(self, model: VoiceActivityModel) -> None:
        def listen(name: str) -> list[float]:
            stream = model.stream()
            return [stream.probability(frame) for frame in frames(heard(name))]

        names = ["ar-no.wav", "en-LJ011-0202.wav"] * 3
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(listen, names)) == [listen(name) for name in names]

    def test_streams_heard_together_hear_the_same(self, model: VoiceActivityModel) -> None:
        sounds = [list(frames(heard(name))) for name in ("ar-no.wav", "en-LJ011-0202.wav", "ar-no.wav")]
        alone = [[stream.probability(frame) for frame in sound] for sound in sounds if (stream := model.stream())]
        together = [list[float]() for _ in sounds]
        streams = [model.stream() for _ in sounds]
        for position in range(0, max(map(len, sounds)), 3):
            numbers = [n for n, sound in enumerate(sounds) if position < len(sound)]
            pieces = [Piece(streams[n], np.array(sounds[n][position : position + 3])) for n in numbers]
            for number, probabilities in zip(numbers, model.hear(pieces), strict=True):
                together[number] += probabilities
        assert [len(one) for one in together] == [len(one) for one in alone]
        for one, other in zip(together, alone, strict=True):
            assert one == pytest.approx(other, abs=1e-4)

    async def test_pieces_are_heard_off_the_event_loop(self, model: VoiceActivityModel) -> None:
        (frame, *_) = frames(heard("ar-no.wav"))
        pieces = [Piece(model.stream(), np.array([frame])) for _ in range(5)]
        results = await asyncio.gather(*map(model.hear_soon, pieces))
        assert results == [results[0]] * 5
        model.close()

    def test_a_frame_is_not_changed(self, model: VoiceActivityModel) -> None:
        frame = np.full(FRAME_SAMPLES, 1000, dtype=np.int16)
        frame.setflags(write=False)
        assert 0 <= model.stream().probability(frame) <= 1

    def test_a_frame_is_cheap(self, model: VoiceActivityModel) -> None:
        stream, frame = model.stream(), np.zeros(FRAME_SAMPLES, dtype=np.int16)
        begin = time.thread_time()
        for _ in range(200):
            stream.probability(frame)
        assert time.thread_time() - begin < 200 * 0.003  # a tenth of real time; about 0.1 ms at rest
