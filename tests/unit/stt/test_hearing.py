import msgspec
import pytest

from simplevoice.stt.hearing import DOUBTED, HOPELESS, Hearing, join

GOOD = Hearing("What time is it?", 5, -0.2, 0.01, complete=True)
ROUND = "I see. " * 8


def heard(**changes: object) -> Hearing:
    return msgspec.structs.replace(GOOD, **changes)


def test_what_is_sure_is_believed() -> None:
    assert not GOOD.doubtful
    assert not GOOD.lost


@pytest.mark.parametrize(
    "changes",
    [
        {"complete": False},
        {"text": ROUND},
        {"log_probability": DOUBTED - 0.01},
        {"text": "What time is it? What time is it?"},
    ],
    ids=str,
)
def test_what_is_heard_again(changes: dict[str, object]) -> None:
    assert heard(**changes).doubtful
    assert not heard(**changes).hopeless


@pytest.mark.parametrize("changes", [{"complete": False}, {"text": ROUND}], ids=str)
def test_noise_in_which_the_decoder_got_lost_is_not(changes: dict[str, object]) -> None:
    assert heard(no_speech_probability=HOPELESS + 0.01, **changes).hopeless


def test_silence_is_not_hopeless_where_the_decoder_came_to_an_end() -> None:
    assert not heard(no_speech_probability=0.99).hopeless


def test_windows_become_one_transcript() -> None:
    other = heard(text="It is noon.", tokens=2, log_probability=-0.5, no_speech_probability=0.2)
    transcript = join([GOOD, other], "en")
    assert transcript.text == "What time is it? It is noon."
    assert transcript.language == "en"
    assert transcript.no_speech_probability == 0.01
    assert transcript.average_log_probability == pytest.approx((-0.2 * 6 + -0.5 * 3) / 9)


def test_windows_in_which_nobody_spoke_are_left_out() -> None:
    nothing = heard(text="Thanks for watching!", no_speech_probability=0.9, log_probability=-0.9)
    assert join([GOOD, nothing], "en") == join([GOOD], "en")
    assert join([nothing, nothing], "en").text == "Thanks for watching! Thanks for watching!"


def test_a_probability_is_never_above_one() -> None:
    assert join([heard(log_probability=0.1)], "en").average_log_probability == 0.0
