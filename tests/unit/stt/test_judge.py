import pytest

from simplevoice.stt import Transcript
from simplevoice.stt.judge import Verdict, ends_twice, is_loop, verdict, words


def heard(text: str, no_speech: float | None = None, sureness: float | None = None) -> Transcript:
    return Transcript(text, "en", no_speech_probability=no_speech, average_log_probability=sureness)


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        # Speech, clear and less clear.
        (heard("The uncle claimed her.", 0.01, -0.12), "ok"),
        (heard("لا", 0.15, -0.69), "ok"),
        (heard("إثنان", 0.13, -0.96), "ok"),
        (heard("Thank you.", 0.02, -0.3), "ok"),
        (heard("no no no", 0.1, -0.4), "ok"),
        # Sure words win over the no-speech probability.
        (heard("سبعة صفر", 0.61, -0.48), "ok"),
        # Nothing.
        (heard("", 0.2, -0.1), "no_speech"),
        (heard(" ... ", 0.2, -0.1), "no_speech"),
        # What Whisper makes of silence and noise.
        (heard("you", 0.93, -0.63), "no_speech"),
        (heard("Thank you.", 0.81, -1.21), "no_speech"),
        (heard("I'm going to go to the bathroom.", 0.79, -1.76), "no_speech"),
        (heard("I'm not going to do it.", 0.32, -1.79), "unclear"),
        (heard("او او او او او او او او", 0.55, -0.12), "no_speech"),
        (heard("او او او او او او او او", 0.3, -0.12), "unclear"),
        # A recognizer that tells nothing of its doubt is believed, but not when it loops.
        (heard("Turn off the light."), "ok"),
        (heard("you you you you you you you"), "unclear"),
    ],
)
def test_verdict(transcript: Transcript, expected: Verdict) -> None:
    assert verdict(transcript) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ترجمة نانسي قنقر",
        "اشتركوا في القناة",
        "شكراً على المشاهدة!",
        "Thanks for watching!",
        "Subtitles by the Amara.org community",
    ],
)
def test_credits_need_less_doubt_but_some(text: str) -> None:
    assert verdict(heard(text, 0.3, -0.2)) == "no_speech"
    assert verdict(heard(text, 0.05, -0.5)) == "no_speech"
    assert verdict(heard(text, 0.01, -0.1)) == "ok"
    assert verdict(heard("Turn off the light.", 0.3, -0.5)) == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "no no no no no no",
        "The husband resisted. " * 5,
        "They bought their offices from one another. " * 3,
        "أم تتبع أم تتبع أم تتبع أم تتبع أم تتبع أم تتبع",
        "Hmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
        "تتتتتتتتتتتتتتتتتتتتتتت",
    ],
)
def test_loops(text: str) -> None:
    assert is_loop(text)


@pytest.mark.parametrize("text", ["no no", "لا لا لا لا لا", "صفر صفر.", "The husband resisted. The husband resisted."])
def test_what_ends_twice_is_no_loop_yet(text: str) -> None:
    assert ends_twice(text)
    assert not is_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "one two one three one",
        "No, no, no, that is very very good.",
        "They bought their offices from one another and were thus considered to have a vested interest in them.",
        "ثلاثة خمسة سبعة صفر اثنان تسعة",
        " ".join(f"Then the number {n} bus came, and it was not the one that we were waiting for." for n in range(9)),
    ],
)
def test_no_repetition(text: str) -> None:
    assert not ends_twice(text)
    assert not is_loop(text)


def test_words_are_compared_without_case_punctuation_and_vowel_signs() -> None:
    assert words("Don't STOP, now!") == ["dont", "stop", "now"]
    assert words("إثنانِ، أَحَد… شُكْرًا") == ["اثنان", "احد", "شكرا"]
