import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from piper import SynthesisConfig

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from simplevoice.tts import piper_voice
from simplevoice.tts.piper_voice import CONTEXT_FRAMES, FIRST_FRAMES, LOUDNESS, PiperVoice, pieces

TEXT = "Well, it is hard to say what the weather will be like tomorrow."


@pytest.fixture(scope="module")
def model() -> Path:
    return next(ModelStore(ModelsConfig()).path("piper-en-male").glob("*.onnx"))


@pytest.fixture(scope="module")
def voice(model: Path) -> PiperVoice:
    return PiperVoice(model, "en")


def samples(sound: Iterator[bytes]) -> list[npt.NDArray[np.int16]]:
    return [np.frombuffer(piece, "<i2") for piece in sound]


@pytest.mark.models
def test_a_sentence_comes_in_pieces_that_grow(voice: PiperVoice) -> None:
    lengths = [len(piece) for piece in samples(voice.speak(TEXT, 1.0))]
    assert lengths[0] == FIRST_FRAMES * 256
    assert lengths[1] == 2 * lengths[0]
    assert 2 < sum(lengths) / voice.sample_rate < 5


@pytest.mark.models
def test_in_pieces_it_sounds_as_in_one(voice: PiperVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model leaves to chance is chosen before the sound is made."""
    made = []
    make = voice._voice.phoneme_ids_to_audio

    def keep(ids: list[int], how: SynthesisConfig) -> npt.NDArray[np.float32]:
        made.append(np.asarray(make(ids, how)))
        return made[-1]

    monkeypatch.setattr(voice._voice, "phoneme_ids_to_audio", keep)
    in_pieces = np.concatenate(list(voice._sound(TEXT, 1.0)))
    assert voice._vocoder is not None
    [name] = [taken.name for taken in voice._vocoder.get_inputs()]
    [whole] = voice._vocoder.run(None, {name: made[0][np.newaxis]})
    assert np.abs(in_pieces - whole.ravel()).max() < 1e-4


@pytest.mark.models
def test_sentences_follow_each_other_and_nothing_is_no_sentence(voice: PiperVoice) -> None:
    one, two = (sum(map(len, samples(voice.speak(text, 1.0)))) for text in ("He came.", "He came. They all went away."))
    assert two > 1.5 * one
    assert samples(voice.speak("", 1.0)) == []


@pytest.mark.models
def test_the_voice_has_one_loudness_and_is_not_overdriven(voice: PiperVoice) -> None:
    sound = np.concatenate(samples(voice.speak(TEXT, 1.0))) / 32768
    assert LOUDNESS / 1.6 < np.sqrt(np.mean(sound**2)) < LOUDNESS * 1.6
    assert np.mean(np.abs(sound) > 0.99) < 0.001


@pytest.mark.models
def test_a_model_that_cannot_be_cut_makes_sentences_whole(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piper_voice, "cut", lambda whole: None)
    [sound] = samples(PiperVoice(model, "en").speak(TEXT, 1.0))
    assert 2 < len(sound) / 22_050 < 5


@given(st.integers(1, 3000))
def test_pieces_follow_each_other_and_none_is_hardly_worth_its_context(frames: int) -> None:
    found = list(pieces(frames))
    assert found[0][0] == 0
    assert found[-1][1] == frames
    assert all(one[1] == two[0] for one, two in itertools.pairwise(found))
    lengths = [end - begin for begin, end in found]
    assert lengths[:-1] == [FIRST_FRAMES * 2**n for n in range(len(lengths) - 1)]
    assert len(lengths) == 1 or lengths[-1] >= 2 * CONTEXT_FRAMES


@pytest.mark.parametrize("frames", [1, FIRST_FRAMES, FIRST_FRAMES + 2 * CONTEXT_FRAMES - 1])
def test_what_is_short_is_one_piece(frames: int) -> None:
    assert list(pieces(frames)) == [(0, frames)]
