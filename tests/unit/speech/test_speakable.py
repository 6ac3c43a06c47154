import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.speech.speakable import speakable_line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Nothing to take out, is there?", "Nothing to take out, is there?"),
        ("**Bold**, *italic*, __bold__, _italic_, ~~gone~~ and `code`.", "Bold, italic, bold, italic, gone and code."),
        ("***Both*** and **a bold *inner* part**", "Both and a bold inner part"),
        ("## A heading ##", "A heading"),
        ("> quoted", "quoted"),
        ("- an item", "an item"),
        ("  * [x] a task", "a task"),
        ("• نقطة", "نقطة"),
        ("1. A numbered item", "1. A numbered item"),
        ("| Name | Age |", "Name, Age"),
        ("| الاسم | العمر |\n", "الاسم، العمر"),
        ("|:---|---:|", ""),
        ("```python", ""),
        ("half \ud83d a \udfffcharacter\ufffe", "half a character"),
        ("```", ""),
        ("---", ""),
        ("* * *", ""),
        ("[the manual](https://example.org/a_(b)?c=1 'Title') helps", "the manual helps"),
        ("![a cat](cat.png) sleeps", "a cat sleeps"),
        ("See [the manual][1] and this[2].", "See the manual and this."),
        ("[1]: https://example.org", ""),
        ("Go to https://example.org/x?y=z#a, now.", "Go to, now."),
        ("Go to (www.example.org).", "Go to."),
        ("At <https://example.org> or HTTP://EXAMPLE.ORG!", "At or!"),
        ("It is on example.org/path/page.html today", "It is on today"),
        ("One<br/>two <b>three</b><!-- four -->", "One two three"),
        ("Done.<|im_end|>", "Done."),
        (r"5 \> 3 and \*so on\*", "5 > 3 and so on"),
    ],
)
def test_markup_is_taken_out_and_its_text_stays(line: str, expected: str) -> None:
    assert speakable_line(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Hello 😀!", "Hello!"),
        ("A family 👨‍👩‍👧‍👦 here", "A family here"),
        ("Wave 👋🏽 and ❤️‍🔥", "Wave and"),
        ("Flags 🇸🇦🇬🇧 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿.", "Flags and."),
        ("Press 1️⃣ or #⃣", "Press or"),
        ("Stars ⭐ ✨ ☀️ → ✓", "Stars"),
        ("Well ©️ done ‼️", "Well done"),
        ("Nice :) really ;-)", "Nice really"),
        ("🎉🎉", ""),
    ],
)
def test_emoji_are_taken_out(line: str, expected: str) -> None:
    assert speakable_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "It costs $3.50, or 1,000 at 10:30.",
        "2 * 3 = 6, and 2*3 too",
        "snake_case and C# and AT&T",
        "a < b and c > d",
        "100% of it ~5 km (or so)",
        "كِتَابٌ جَدِيدٌ، والسعر ٣٫٥",
        "می‌خواهم",
        "naïve café",
    ],
)
def test_what_is_no_markup_stays(line: str) -> None:
    assert speakable_line(line) == line


def test_what_is_no_word_is_not_spoken() -> None:
    assert speakable_line("The key is " + "f00d" * 40 + " today") == "The key is today"


def test_marks_that_steer_the_direction_of_text_are_invisible_to_speech() -> None:
    assert speakable_line("\u202bمرحبا\u202c\u200f يا\ufeff صديقي") == "مرحبا يا صديقي"


@given(st.text(alphabet="aب1 .*_`~#>[]()<|:/\\-\n\t😀🇸‍️⃣", max_size=60))
def test_no_emoji_reaches_the_speech_whatever_surrounds_it(line: str) -> None:
    spoken = speakable_line(line)
    assert not set(spoken) & set("😀🇸‍️⃣`\n\t")
    assert spoken == spoken.strip()
    assert not spoken or any(character.isalnum() for character in spoken)


@given(st.text(alphabet="aب1.,:/ -_()", max_size=20), st.text(alphabet="abc/?=&.-", min_size=1, max_size=20))
def test_no_address_reaches_the_speech_whatever_surrounds_it(before: str, path: str) -> None:
    assert "example" not in speakable_line(f"{before}https://example.org/{path} after")
