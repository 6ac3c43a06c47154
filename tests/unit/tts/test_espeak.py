import asyncio
import ctypes
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import espeakng_loader
import numpy as np
import numpy.typing as npt
import pytest

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import SpeechError
from simplevoice.tts import Voice, espeak
from simplevoice.tts.espeak import VOICES, EspeakSpeaker
from simplevoice.types import Language, VoiceType

TEXTS: dict[Language, str] = {"ar": "مرحبا، كيف حالك اليوم؟", "en": "Hello, how are you today?"}
Samples = npt.NDArray[np.int16]


@pytest.fixture
async def speaker() -> "EspeakSpeaker":
    return EspeakSpeaker(TtsConfig(), VoicesConfig(), ModelsConfig())


async def speak(speaker: EspeakSpeaker, text: str, voice: Voice) -> Samples:
    """The samples at 22050 Hz, which is what every voice of espeak-ng gives."""
    await speaker.load()
    chunks = [chunk async for chunk in speaker.synthesize(text, voice)]
    await speaker.close()
    assert {(chunk.codec, chunk.sample_rate, chunk.engine) for chunk in chunks} == {("pcm16", 22_050, "espeak")}
    return np.frombuffer(b"".join(chunk.data for chunk in chunks), "<i2")


def seconds(samples: Samples) -> float:
    return len(samples) / 22_050


def alike(one: Samples, other: Samples) -> bool:
    """Whether both are the same words of the same voice. espeak-ng never gives exactly the same samples twice.

    The loudness of one voice, twice, correlates by 0.95 or more, that of two voices or texts by less than 0.5.
    """
    size = min(len(one), len(other))
    loudness = [
        np.sqrt((samples[: size // 441 * 441].reshape(-1, 441).astype(float) ** 2).mean(axis=1))
        for samples in (one, other)
    ]
    same_length = abs(len(one) - len(other)) < 0.01 * size
    return same_length and float(np.corrcoef(loudness)[0, 1]) > 0.9


def pitch(samples: Samples) -> float:
    """Median fundamental of the loud parts, Hz, by autocorrelation of 40 ms windows."""
    found = []
    for start in range(0, len(samples) - 882, 882):
        window = samples[start : start + 882].astype(float)
        window -= window.mean()
        if np.sqrt((window**2).mean()) < 1000:
            continue
        likeness = np.correlate(window, window, "full")[len(window) - 1 :]
        lag = 55 + int(likeness[55:368].argmax())  # 400 Hz down to 60 Hz
        found.append(22_050 / lag)
    return float(np.median(found))


@pytest.mark.parametrize("language", ["ar", "en"])
async def test_both_languages_are_really_spoken(speaker: EspeakSpeaker, language: Language) -> None:
    samples = await speak(speaker, TEXTS[language], Voice(language, "female"))
    assert 1.0 < seconds(samples) < 4.0
    assert np.sqrt((samples.astype(float) ** 2).mean()) > 1000


async def test_arabic_is_not_spelled_by_an_english_voice(speaker: EspeakSpeaker) -> None:
    arabic = await speak(speaker, TEXTS["ar"], Voice("ar", "female"))
    spelled = await speak(speaker, TEXTS["ar"], Voice("en", "female"))
    assert seconds(spelled) > 2 * seconds(arabic)


@pytest.mark.parametrize("language", ["ar", "en"])
async def test_a_woman_speaks_higher_than_a_man(speaker: EspeakSpeaker, language: Language) -> None:
    female = pitch(await speak(speaker, TEXTS[language], Voice(language, "female")))
    male = pitch(await speak(speaker, TEXTS[language], Voice(language, "male")))
    assert 60 < male < 1.4 * male < female < 300


def test_the_data_has_every_voice_of_the_table() -> None:
    data = Path(espeakng_loader.get_data_path())
    for name in VOICES.values():
        assert (data / "voices" / "!v" / name.partition("+")[2]).is_file()


@pytest.mark.parametrize(("rate", "low", "high"), [("+50%", 0.55, 0.8), ("-40%", 1.4, 1.9)])
async def test_the_rate_changes_the_length(speaker: EspeakSpeaker, rate: str, low: float, high: float) -> None:
    plain = await speak(speaker, TEXTS["en"], Voice("en", "male"))
    paced = await speak(speaker, TEXTS["en"], Voice("en", "male", rate=rate))
    assert low < len(paced) / len(plain) < high
    configured = EspeakSpeaker(TtsConfig(rate=rate), VoicesConfig(), ModelsConfig())
    assert alike(await speak(configured, TEXTS["en"], Voice("en", "male")), paced)


async def test_a_name_of_its_own_goes_before_the_type(speaker: EspeakSpeaker) -> None:
    own = await speak(speaker, TEXTS["en"], Voice("en", "female", name="en-us+m3"))
    male = await speak(speaker, TEXTS["en"], Voice("en", "male"))
    assert alike(own, male)
    assert not alike(own, await speak(speaker, TEXTS["en"], Voice("en", "female")))


async def test_an_english_voice_does_not_spell_arabic(speaker: EspeakSpeaker) -> None:
    named = await speak(speaker, TEXTS["ar"], Voice("ar", "female", name="en-us+m3"))
    assert alike(named, await speak(speaker, TEXTS["ar"], Voice("ar", "female")))


@pytest.mark.parametrize("name", ["en-US-JennyNeural", "en-us+../../../../../etc/passwd", "xx"])
async def test_another_name_is_passed_over(speaker: EspeakSpeaker, name: str) -> None:
    named = await speak(speaker, TEXTS["en"], Voice("en", "female", name=name))
    plain = await speak(speaker, TEXTS["en"], Voice("en", "female"))
    assert alike(named, plain)


async def test_control_characters_do_not_end_the_text(speaker: EspeakSpeaker) -> None:
    whole = await speak(speaker, "one\x00two\x07three\ud800", Voice("en", "male"))
    plain = await speak(speaker, "one two three", Voice("en", "male"))
    assert alike(whole, plain)


async def test_markup_is_read_as_text(speaker: EspeakSpeaker) -> None:
    markup = await speak(speaker, '<voice name="ar">hello</voice> & [[h@l@U]]', Voice("en", "male"))
    assert seconds(markup) > 2 * seconds(await speak(speaker, "hello", Voice("en", "male")))


async def test_a_long_text_is_spoken_whole_and_piece_by_piece(
    speaker: EspeakSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await speak(speaker, "one two three four five six", Voice("en", "male"))
    monkeypatch.setattr(espeak, "PIECE_CHARACTERS", 10)
    pieces = await speak(speaker, "one two three four five six", Voice("en", "male"))
    assert seconds(whole) < seconds(pieces) < 3 * seconds(whole)


async def test_many_speak_at_once_each_its_own(speaker: EspeakSpeaker) -> None:
    alone = [await speak(speaker, TEXTS[language], Voice(language, kind)) for language, kind in VOICES]
    await speaker.load()

    async def one(language: Language, kind: VoiceType) -> Samples:
        stream = speaker.synthesize(TEXTS[language], Voice(language, kind))
        return np.frombuffer(b"".join([chunk.data async for chunk in stream]), "<i2")

    together = await asyncio.gather(*(one(language, kind) for language, kind in VOICES))
    await speaker.close()
    assert all(map(alike, together, alone))


async def test_two_speakers_share_the_library(speaker: EspeakSpeaker) -> None:
    other = EspeakSpeaker(TtsConfig(), VoicesConfig(), ModelsConfig())
    female, male = await asyncio.gather(
        speak(speaker, TEXTS["en"], Voice("en", "female")), speak(other, TEXTS["en"], Voice("en", "male"))
    )
    assert alike(female, await speak(other, TEXTS["en"], Voice("en", "female")))
    assert alike(male, await speak(speaker, TEXTS["en"], Voice("en", "male")))


@pytest.mark.parametrize("chunks_taken", [0, 1])
async def test_closing_stops_the_synthesis(
    speaker: EspeakSpeaker, chunks_taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    speak_whole = espeak._Library._on_samples

    def count(library: espeak._Library, samples: "ctypes._Pointer[ctypes.c_short]", size: int, events: int) -> int:
        nonlocal made
        made += 1
        return speak_whole(library, samples, size, events)

    monkeypatch.setattr(espeak._Library, "_on_samples", count)
    espeak._load_library.cache_clear()
    await speaker.load()
    async with aclosing(speaker.synthesize("word " * 190, Voice("en", "male"))) as stream:
        for _ in range(chunks_taken):
            await anext(stream)
    await speaker.close()
    monkeypatch.undo()
    espeak._load_library.cache_clear()
    assert made < 900, "of about 1000"


async def test_cancelling_leaves_the_engine_in_order(speaker: EspeakSpeaker) -> None:
    expected = await speak(speaker, TEXTS["en"], Voice("en", "male"))
    await speaker.load()
    for _ in range(5):
        waiting = asyncio.ensure_future(anext(speaker.synthesize("word " * 190, Voice("ar", "male"))))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert alike(await speak(speaker, TEXTS["en"], Voice("en", "male")), expected)


async def test_unloaded_it_refuses(speaker: EspeakSpeaker) -> None:
    assert speaker.health().state == "stopped"
    with pytest.raises(SpeechError, match="not loaded"):
        await anext(speaker.synthesize("hello", Voice("en", "male")))
    await speaker.load()
    await speaker.load()
    assert speaker.health().state == "ready"
    await speaker.close()
    await speaker.close()
    assert speaker.health().state == "stopped"


@pytest.mark.parametrize(
    ("what", "value", "message"),
    [
        ("get_data_path", "/" + "d" * 160, "161 bytes long"),
        ("get_library_path", "/nowhere/libespeak-ng.so", "can't be loaded"),
    ],
)
async def test_it_says_what_is_missing(
    speaker: EspeakSpeaker, what: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    espeak._load_library.cache_clear()
    monkeypatch.setattr(espeakng_loader, what, lambda: value)
    with pytest.raises(SpeechError, match=message):
        await speaker.load()
    assert speaker.health().state == "stopped"


def test_it_says_that_its_data_is_missing() -> None:
    program = """
import espeakng_loader
from simplevoice.errors import SpeechError
from simplevoice.tts import espeak
espeakng_loader.get_data_path = lambda: "/nowhere/espeak-ng-data"
try:
    espeak._load_library()
except SpeechError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "can't read its data in b'/nowhere/espeak-ng-data'" in ran.stdout
