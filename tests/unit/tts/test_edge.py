"""What needs no service. How the speaker and the service get along stands in tests/integration/test_edge.py."""

from typing import Any

import pytest

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import ErrorCode, SpeechError
from simplevoice.tts import Voice
from simplevoice.tts.edge import TICKS_PER_SECOND, EdgeSpeaker, _Progress
from tests.edge.sound import FRAME_BYTES

FRAME = b"\xff\xf3\x64\xc4" + bytes(FRAME_BYTES - 4)
"""24 ms: MPEG-2 Layer III, 48 kbit/s, 24 kHz, mono."""


def edge(**config: Any) -> EdgeSpeaker:
    return EdgeSpeaker(TtsConfig(**config), VoicesConfig(ar_male="ar-EG-ShakirNeural"), ModelsConfig())


async def test_the_voice_is_the_configured_one_of_language_and_type() -> None:
    names = {(row.language, row.voice_type): row.name for row in await edge().voices()}
    assert names == {
        ("ar", "female"): "ar-SA-ZariyahNeural",
        ("ar", "male"): "ar-EG-ShakirNeural",
        ("en", "female"): "en-US-JennyNeural",
        ("en", "male"): "en-US-GuyNeural",
    }


async def test_it_is_ready_between_load_and_close() -> None:
    speaker = edge()
    states = [speaker.health().state]
    await speaker.load()
    states.append(speaker.health().state)
    await speaker.close()
    states.append(speaker.health().state)
    assert states == ["stopped", "ready", "stopped"]
    assert speaker.supports(Voice("ar", "female"))


async def test_a_rate_that_cannot_be_is_the_clients_doing() -> None:
    with pytest.raises(SpeechError, match="Invalid rate") as failed:
        await anext(edge().synthesize("hello", Voice("en", "female", rate="fast")))
    assert failed.value.code is ErrorCode.INVALID_PARAMETER


async def test_what_has_nothing_to_pronounce_is_not_sent() -> None:
    with pytest.raises(SpeechError, match="nothing to pronounce"):
        await anext(edge().synthesize("؟", Voice("ar", "female")))


def test_frames_are_whole_however_the_bytes_come() -> None:
    progress = _Progress("hello")
    stream = FRAME * 10
    given = [progress.take(stream[start : start + 100]) for start in range(0, len(stream), 100)]
    assert all(len(frames) % FRAME_BYTES == 0 for frames in given)
    assert b"".join(given) == stream
    assert progress.seconds == pytest.approx(0.24)


def heard(text: str, words: list[str], seconds: float) -> _Progress:
    """A text of which each word takes 0.24 s, and so much has come of."""
    progress = _Progress(text)
    for n, word in enumerate(words, start=1):
        progress.pronounced(word, n * 0.24 * TICKS_PER_SECOND)
    progress.take(FRAME * round(seconds / 0.024))
    return progress


@pytest.mark.parametrize(
    ("seconds", "rest"),
    [
        (0.0, "One two, two three."),
        (0.12, "One two, two three."),
        (0.24, "two, two three."),
        (0.5, "two three."),
        (0.72, "three."),
        (0.96, ""),
    ],
)
def test_the_rest_begins_behind_the_last_word_that_came_whole(seconds: float, rest: str) -> None:
    assert heard("One two, two three.", ["One", "two", "two", "three"], seconds).rest == rest


def test_the_rest_of_arabic_text() -> None:
    assert heard("مرحبا، كيف حالك؟", ["مرحبا", "كيف"], 0.24).rest == "كيف حالك؟"


def test_words_that_are_not_in_the_text_count_for_nothing() -> None:
    assert heard("It costs $5 today.", ["It", "costs", "five dollars"], 0.72).rest == "$5 today."


def test_without_words_everything_is_left() -> None:
    assert heard("Hello there.", [], 1.0).rest == "Hello there."
