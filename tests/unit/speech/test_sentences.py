import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.speech.sentences import LONGEST, ReplyCutter, speakable

MIXED = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Hello", "Dr", "U.S", "e.g", "3.14", "10:30", "1,000", "٣٫٥", "مرحبا", "د", "نعم", "I", "no", "5",
                ". ", "! ", "? ", "… ", "... ", ", ", ": ", "; ", "؟", "، ", "؛ ", "۔", "\n", "\r\n", " ", ".", ",",
                '"', "«", "»", "(", ")", "[", "](", "**", "_", "`", "# ", "- ", "| ", "```py\n", "😀", "👨‍👩‍👧",
                "https://example.org/a.b", "<think>", "<thi", "<", ">", "word " * 60, "x" * 300,
            ]
        ),
        st.text(alphabet="aAبت1 .!?,;:\n()*_<", max_size=12),
    ),
    max_size=40,
).map("".join)  # fmt: skip


def cut(text: str, size: int = 3) -> list[str]:
    cutter = ReplyCutter()
    pieces = [piece for start in range(0, len(text), size) for piece in cutter.feed(text[start : start + size])]
    return pieces + cutter.flush()


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        ("Hello! I am fine. How are you?", ["Hello!", "I am fine.", "How are you?"]),
        ("No way?! Yes… Of course... Bye", ["No way?!", "Yes…", "Of course...", "Bye"]),
        ("مرحبًا! كيف حالك؟ أنا بخير۔ شكرًا", ["مرحبًا!", "كيف حالك؟", "أنا بخير۔", "شكرًا"]),
        ("كيف حالك؟أنا بخير", ["كيف حالك؟", "أنا بخير"]),
        ("One line\nanother line\r\n\r\nthe last", ["One line", "another line", "the last"]),
        ("Hm. It is so; the rest of it follows: here.", ["Hm.", "It is so;", "the rest of it follows:", "here."]),
        ("Hm. Yes; no: maybe.", ["Hm.", "Yes; no: maybe."]),
        ("That costs money. إنه كتاب؛ وهو كتاب جديد؛ نعم.", ["That costs money.", "إنه كتاب؛ وهو كتاب جديد؛", "نعم."]),
    ],
)
def test_a_reply_is_cut_at_the_ends_of_sentences(reply: str, pieces: list[str]) -> None:
    assert cut(reply) == pieces


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        ("Well, to be honest, I like it, and so on.", ["Well, to be honest,", "I like it, and so on."]),
        ("نعم، عاصمة فرنسا هي باريس، وهي جميلة.", ["نعم، عاصمة فرنسا هي باريس،", "وهي جميلة."]),
        ("Yes, it is.", ["Yes, it is."]),
        ("It was on July 4, 1776, in fact.", ["It was on July 4, 1776,", "in fact."]),
        ("😀 **Sure**, here it is, my friend.", ["Sure, here it is,", "my friend."]),
    ],
)
def test_the_first_piece_is_a_clause_when_it_is_long_enough(reply: str, pieces: list[str]) -> None:
    assert cut(reply) == pieces


@pytest.mark.parametrize(
    "sentence",
    [
        "Ask Dr. Smith and Mrs. Jones about it.",
        "It is 3.14 and not 1,000.50 or 2:1.",
        "It begins at 10:30 a.m. on Jan. 5.",
        "The U.S. Army, the Ph.D. and J. R. R. Tolkien.",
        "Use some fruit, e.g. apples, i.e. what grows there.",
        "See no. 5 of vol. 2 on p. 7.",
        "Visit example.com or version 3.11.2 of it.",
        "قال د. أحمد إن السعر ١٬٠٠٠٫٥ في الساعة ١٠:٣٠.",
        "1. Wash your hands.",
        "Wait... what is it?",
        '"Really?" he asked.',
        "Look (it is there. Is it?) at this.",
    ],
)
def test_nothing_is_cut_inside_numbers_abbreviations_and_brackets(sentence: str) -> None:
    cutter = ReplyCutter()
    assert cutter.feed("Yes. ") == []
    assert [*cutter.feed(sentence), *cutter.flush()] == ["Yes.", sentence]


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("(It is so.) Good.", ["(It is so.)", "Good."]),
        ("«هل أنت هنا؟» نعم.", ["«هل أنت هنا؟»", "نعم."]),
        ("**It is so.** Good.", ["It is so.", "Good."]),
        ("[See it. There](https://example.org/a.b). Good.", ["See it. There.", "Good."]),
        ("He came at 5 p.m. Then he left.", ["He came at 5 p.m.", "Then he left."]),
        ("The answer is no. Five of them left.", ["The answer is no.", "Five of them left."]),
    ],
)
def test_closing_quotes_and_brackets_stay_with_their_sentence(reply: str, pieces: list[str]) -> None:
    assert cut(reply) == pieces


def test_a_sentence_is_given_as_soon_as_the_next_begins() -> None:
    cutter = ReplyCutter()
    assert cutter.feed("It is so") == []
    assert cutter.feed(".") == []
    assert cutter.feed(" G") == ["It is so."]


def test_a_run_without_an_end_is_cut_between_words() -> None:
    pieces = cut("word " * 200)
    assert " ".join(pieces) == " ".join(["word"] * 200)
    assert max(map(len, pieces)) <= LONGEST


def test_a_run_without_an_end_is_cut_behind_a_clause_when_there_is_one() -> None:
    pieces = cut("Yes! " + "word " * 25 + "so, " + "word " * 30)
    assert pieces[1].endswith("so,")


@pytest.mark.parametrize("word", ["x" * 5000, "https://example.org/" + "a.b/?c=" * 500])
def test_a_word_without_end_is_left_out(word: str) -> None:
    assert cut(f"It is {word} and that. Good.") == ["It is", "and that.", "Good."]


def test_a_long_reply_in_one_piece_does_not_take_long() -> None:
    cutter = ReplyCutter()
    assert len([*cutter.feed("It is so. " * 5000), *cutter.flush()]) == 5000
    assert cutter.feed("[(a.b" * 50_000) == []


def test_thoughts_do_not_reach_the_speech() -> None:
    assert cut("<think>It is 4. Or 5?</think>It is four. 🎉", size=1) == ["It is four."]
    assert cut("<think>It is 4. Or") == []
    assert speakable("It is 4. Or 5?</think>It is four.") == "It is four."


def test_a_thought_without_its_opening_tag_takes_back_what_was_not_given_yet() -> None:
    cutter = ReplyCutter()
    assert cutter.feed("Surely the answer could be") == []
    assert [*cutter.feed(" 4</think>It is four."), *cutter.flush()] == ["It is four."]


def test_a_whole_text_reads_as_its_pieces_do() -> None:
    text = "# Fruit\n\n- **Apples**, red\n- [Pears](https://example.org)\n\n```\nplums\n```\n| a | b |\n|---|---|\n"
    assert speakable(text) == "Fruit Apples, red Pears plums a, b"


@given(MIXED, st.integers(1, 50))
def test_the_pieces_do_not_depend_on_how_the_stream_is_cut(text: str, size: int) -> None:
    assert cut(text, size) == cut(text, max(1, len(text)))


@given(MIXED)
def test_pieces_are_never_empty_and_never_too_long(text: str) -> None:
    pieces = cut(text)
    assert all(any(c.isalnum() for c in piece) for piece in pieces)
    assert all(len(piece) <= LONGEST + 50 for piece in pieces)


@given(st.lists(st.text(alphabet="abcبتث", min_size=1, max_size=8), min_size=1, max_size=300))
def test_no_word_is_lost(words: list[str]) -> None:
    assert speakable(" ".join(words)).split() == words
