import pytest

from simplevoice.history import Exchange
from simplevoice.llm import ChatMessage
from simplevoice.llm.prompts import FOR_THE_EAR, PERSONA, build_messages, estimate_tokens, system_prompt
from simplevoice.types import LANGUAGES, Language

PAST = [Exchange("Who are you?", "A voice."), Exchange("Whose?", "Yours."), Exchange("Why?", "Because.")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_system_prompt_is_in_the_language_of_the_connection(language: Language) -> None:
    prompt = system_prompt(language)
    assert prompt.startswith(PERSONA[language])
    assert ("مساعد" in prompt) == (language == "ar")


def test_instructions_replace_the_persona_and_replies_stay_for_the_ear() -> None:
    prompt = system_prompt("en", "You are a pirate.")
    assert prompt.startswith("You are a pirate.\n")
    assert FOR_THE_EAR["en"] in prompt
    assert PERSONA["en"] not in prompt


def test_the_conversation_is_told_in_order() -> None:
    messages = build_messages("en", PAST[:2], "When?", max_history_tokens=1000)
    assert messages == [
        ChatMessage("system", system_prompt("en")),
        ChatMessage("user", "Who are you?"),
        ChatMessage("assistant", "A voice."),
        ChatMessage("user", "Whose?"),
        ChatMessage("assistant", "Yours."),
        ChatMessage("user", "When?"),
    ]


def test_the_oldest_exchanges_are_left_out_first_and_whole() -> None:
    last_two = sum(estimate_tokens(text) for past in PAST[1:] for text in (past.user, past.assistant))
    room = last_two + estimate_tokens("When?")
    assert [m.content for m in build_messages("en", PAST, "When?", max_history_tokens=room)[1:]] == [
        "Whose?",
        "Yours.",
        "Why?",
        "Because.",
        "When?",
    ]
    assert len(build_messages("en", PAST, "When?", max_history_tokens=room - 1)) == 4


def test_what_was_said_now_always_stands() -> None:
    messages = build_messages("ar", PAST, "ماذا " * 500, max_history_tokens=0)
    assert [m.role for m in messages] == ["system", "user"]


def test_what_was_not_answered_and_not_gone_on_with_is_left_out() -> None:
    messages = build_messages("en", [Exchange("Stop!", ""), *PAST[:1]], "When?", max_history_tokens=1000)
    assert "Stop!" not in " ".join(m.content for m in messages)


def test_what_was_said_in_parts_is_one_message_in_front_of_its_answer() -> None:
    parts = [Exchange("Who", "", goes_on=True), Exchange("are", "", goes_on=True), Exchange("you?", "A voice.")]
    messages = build_messages("en", [*PAST[1:2], *parts, *PAST[2:]], "When?", max_history_tokens=1000)
    assert [m.content for m in messages[3:]] == ["Who are you?", "A voice.", "Why?", "Because.", "When?"]


def test_what_is_still_to_be_answered_stands_in_front_of_what_was_said_now() -> None:
    past = [*PAST[:1], Exchange("Tell me,", "", goes_on=True)]
    messages = build_messages("en", past, "when?", max_history_tokens=1000)
    assert [m.content for m in messages[1:]] == ["Who are you?", "A voice.", "Tell me, when?"]


def test_what_was_gone_on_with_and_then_taken_back_is_left_out_whole() -> None:
    past = [Exchange("Tell me", "", goes_on=True), Exchange("nothing.", "")]
    assert build_messages("en", past, "When?", max_history_tokens=1000)[-1].content == "When?"


def test_of_what_is_still_to_be_answered_as_much_stands_as_fits() -> None:
    past = [Exchange(f"part {n}", "", goes_on=True) for n in range(20)]
    room = estimate_tokens("part 18 part 19 now")
    assert build_messages("en", past, "now", max_history_tokens=room)[-1].content == "part 18 part 19 now"
    assert build_messages("en", past, "now", max_history_tokens=0)[-1].content == "now"


@pytest.mark.parametrize(("text", "letters_per_token"), [("language " * 100, 3), ("ابجدهوز" * 100, 1.5)])
def test_tokens_are_estimated_by_the_script(text: str, letters_per_token: float) -> None:
    assert estimate_tokens(text) == pytest.approx(len(text) / letters_per_token, abs=10)
