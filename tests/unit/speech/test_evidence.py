"""Words and sound, and what they are worth together."""

import pytest

from simplevoice.speech.endpointing import Verdict
from simplevoice.speech.evidence import judge, weigh_words
from simplevoice.types import Language

FINISHED, UNKNOWN, HESITANT, UNFINISHED = Verdict


@pytest.mark.parametrize(
    "text",
    [
        "I called him yesterday and...",
        "I called him yesterday and.",
        "Yes, but",
        "Please read me the…",
        "I need apples, bananas,",
        "I w-",
        "What's the difference between?",
        "Um.",
        "It was in my",
        "I would like to book a table for.",
        "I want to send a message to",
        "Can you tell me?",
        "Well, you know.",
        "I'm",
        "I’m",
        '"Because"',
    ],
)
def test_english_that_goes_on(text: str) -> None:
    assert weigh_words(text, "en") is UNFINISHED


@pytest.mark.parametrize(
    "text",
    [
        "أريد القهوة و",
        "أحب القهوة ولكن",
        "أحب القهوة لكن.",
        "يعني",
        "استيقظت باكرا ثم",
        "ذهبت إلى",
        "ذهبت الى.",
        "أريد تفاحا،",
        "لا أعرف لأنّ",
        "ما الفرق بين؟",
    ],
)
def test_arabic_that_goes_on(text: str) -> None:
    assert weigh_words(text, "ar") is UNFINISHED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My phone number is 555.", "en"),
        ("My number is 555-0123", "en"),
        ("It's five, five, oh", "en"),
        ("My address is 12.", "en"),
        ("3, 5, 7.", "en"),
        ("ثلاثة خمسة سبعة صفر", "ar"),
        ("ثلاث خمسة سبع صفر إثنان تسع", "ar"),
        ("رقمي ٠٥٥٥", "ar"),
    ],
)
def test_a_number_that_is_dictated_goes_on(text: str, language: Language) -> None:
    assert weigh_words(text, language) is UNFINISHED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It was in 1998.", "en"),
        ("At 10:30.", "en"),
        ("I have two.", "en"),
        ("It costs 1,250.50.", "en"),
        ("عندي خمسة", "ar"),
        ("The uncle claimed her.", "en"),
        ("That is what I was looking for.", "en"),
        ("Is she in?", "en"),
        ("I think so.", "en"),
        ("I like that", "en"),
        ("Turn it on.", "en"),
        ("لا", "ar"),
        ("شكرا جزيلا.", "ar"),
        ("هذا صديقي علي", "ar"),
        ("...", "en"),
        ("If it rains tomorrow, we will stay at home.", "en"),
    ],
)
def test_a_statement_says_nothing(text: str, language: Language) -> None:
    assert weigh_words(text, language) is UNKNOWN


@pytest.mark.parametrize(
    ("text", "language"),
    [("What time is it?", "en"), ('He asked: "Why not?"', "en"), ("كم الساعة الآن؟", "ar"), ("كيف حالك?", "ar")],
)
def test_a_question_is_finished(text: str, language: Language) -> None:
    assert weigh_words(text, language) is FINISHED


@pytest.mark.parametrize(("text", "language"), [("If it rains tomorrow.", "en"), ("إذا أمطرت السماء غدا", "ar")])
def test_a_condition_without_its_consequence_goes_on(text: str, language: Language) -> None:
    assert weigh_words(text, language) is UNFINISHED


@pytest.mark.parametrize(
    ("text", "probability", "verdict"),
    [
        ("What time is it?", 0.9, FINISHED),
        ("What time is it?", None, FINISHED),
        ("What time is it?", 0.1, UNKNOWN),
        ("It is late.", 0.99, UNKNOWN),
        ("It is late.", None, UNKNOWN),
        ("It is late.", 0.1, HESITANT),
        ("It is late and", 0.99, UNFINISHED),
        ("It is late and", 0.1, UNFINISHED),
        ("", 0.9, UNKNOWN),
        (None, 0.9, UNKNOWN),
        (None, 0.1, HESITANT),
        (None, None, UNKNOWN),
    ],
)
def test_words_and_sound_together(text: str | None, probability: float | None, verdict: Verdict) -> None:
    assert judge(text, probability, "en") is verdict
