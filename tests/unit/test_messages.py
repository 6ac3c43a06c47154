import string
from typing import get_args

import pytest

from simplevoice import messages
from simplevoice.errors import ErrorCode
from simplevoice.protocol import GuidanceReason
from simplevoice.types import LANGUAGES, Language

KEYS = [
    *ErrorCode,
    *(f"guidance.{r}" for r in get_args(GuidanceReason)),
    "connection_established",
    "processing_started",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_can_happen_can_be_said(key: str, language: Language) -> None:
    said = messages.text(key, language)
    letters = [c for c in said if c.isalpha() and c not in string.ascii_letters]
    assert bool(letters) is (language == "ar")


def test_values_are_filled_in() -> None:
    said = messages.text(ErrorCode.INVALID_PARAMETER, "en", {"parameter": "language", "allowed": ["ar", "en"]})
    assert said == "The parameter language is not valid. Allowed: ar, en."


@pytest.mark.parametrize(
    ("seconds", "language", "said"),
    [
        (60.0, "en", "The audio is too long. Allowed: 60 seconds."),
        (7.5, "en", "The audio is too long. Allowed: 7.5 seconds."),
        (60.0, "ar", "الصوت طويل جدا. المسموح: 60 ثانية."),
    ],
)
def test_a_number_is_said_as_people_do(seconds: float, language: Language, said: str) -> None:
    assert messages.text(ErrorCode.AUDIO_TOO_LONG, language, {"max_seconds": seconds}) == said


def test_a_missing_value_does_not_hide_the_error() -> None:
    assert messages.text(ErrorCode.AUDIO_TOO_LONG, "en") == "The audio is too long. Allowed: - seconds."


def test_both_languages_take_the_same_values() -> None:
    for texts in messages._TEXTS.values():
        fields = [{f for _, f, _, _ in string.Formatter().parse(texts[language]) if f} for language in LANGUAGES]
        assert fields[0] == fields[1]
