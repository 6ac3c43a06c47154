import pytest

from simplevoice.tts.progress import TICKS_PER_SECOND, Progress
from tests.edge.sound import FRAME_BYTES

FRAME = b"\xff\xf3\x64\xc4" + bytes(FRAME_BYTES - 4)
"""24 ms: MPEG-2 Layer III, 48 kbit/s, 24 kHz, mono."""


def test_frames_are_whole_however_the_bytes_come() -> None:
    progress = Progress("hello")
    stream = FRAME * 10
    given = [progress.take(stream[start : start + 100]) for start in range(0, len(stream), 100)]
    assert all(len(frames) % FRAME_BYTES == 0 for frames in given)
    assert b"".join(given) == stream
    assert progress.seconds == pytest.approx(0.24)


def heard(text: str, words: list[str], seconds: float) -> Progress:
    """A text of which each word takes 0.24 s, and so much has come of."""
    progress = Progress(text)
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
