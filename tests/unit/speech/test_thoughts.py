import pytest

from simplevoice.speech.thoughts import ThoughtFilter


def spoken(text: str, size: int) -> str:
    thoughts = ThoughtFilter()
    kept = ""
    for start in range(0, len(text), size):
        piece, retract = thoughts.feed(text[start : start + size])
        kept = piece if retract else kept + piece
    return kept + thoughts.flush()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No thought at all.", "No thought at all."),
        ("<think>Hm. Or so?</think>Yes.", "Yes."),
        ("<THINKING>Hm.</Thinking>Yes.", "Yes."),
        ("One <think>a</think>two <think>b</think>three", "One two three"),
        ("Before. <think>This one never ends. Really", "Before. "),
        ("It went on before the first piece.</think>Yes.", "Yes."),
        ("a < b <thin ice> <", "a < b <thin ice> <"),
        ("Ends with <thi", "Ends with <thi"),
    ],
)
def test_thoughts_are_dropped_wherever_the_stream_is_cut(text: str, expected: str, size: int) -> None:
    assert spoken(text, size) == expected


def test_text_that_can_be_no_tag_is_not_held_back() -> None:
    thoughts = ThoughtFilter()
    assert thoughts.feed("Good morning <th") == ("Good morning ", False)
    assert thoughts.feed("ere>") == ("<there>", False)
