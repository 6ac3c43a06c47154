from pathlib import Path

import numpy as np
import pytest

from simplevoice import tts
from simplevoice.types import LANGUAGES
from tests.benchmarks import spoken
from tests.benchmarks.spoken import PEOPLE, SENTENCES, Utterance, machines, nearest, people, with_noise
from tests.media import samples, tone


def test_a_hundred_sentences_each_in_a_language_and_none_twice() -> None:
    lines = SENTENCES.read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines)) == 100
    assert {line[:3].strip() for line in lines} == set(LANGUAGES)


def test_what_people_say_is_known() -> None:
    assert [(u.language, u.text) for u in people()] == list(PEOPLE.values())
    assert all(0.5 < u.seconds < 9 for u in people())


@pytest.mark.models
async def test_sentences_are_spoken_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await machines(4)
    assert {u.who for u in first} == {"Piper", "espeak"}
    assert {u.language for u in first} == set(LANGUAGES)
    assert all(u.seconds > 0.5 for u in first)
    assert len(list(cache.iterdir())) == 4
    monkeypatch.delattr(tts, "create_engine")
    assert [u.audio.raw_data for u in await machines(4)] == [u.audio.raw_data for u in first]


def test_noise_is_as_loud_as_it_is_asked_for() -> None:
    clean = Utterance("", "en", "people", tone(3000))
    noisy = with_noise(clean, 10)
    assert noisy.noisy
    speech, mixed = samples(clean.audio), samples(noisy.audio)
    noise = mixed - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.1)


def test_an_utterance_for_each_length_and_none_twice() -> None:
    utterances = [Utterance(str(ms), "en", "people", tone(ms)) for ms in (1000, 2100, 2200, 5000)]
    assert [u.text for u in nearest(utterances, (2, 2, 1))] == ["2100", "2200", "1000"]


def test_the_cache_is_beside_that_of_the_weights() -> None:
    assert spoken.CACHE.parts[-3:] == ("simplevoice", "tests", "speech")
