"""Conversations: spoken, typed, held and interrupted."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pydub import AudioSegment

from simplevoice.types import Language
from tests.browser.conftest import Launch, visitor
from tests.browser.visitor import SPEAKER, Visitor, site
from tests.integration.daemon import Daemon
from tests.integration.listener import SAID, UNDERSTOOD, Listener, share_of_words, words
from tests.media import recording

LONG_ANSWER = "What is the sea?"
"""SmolLM answers in several sentences."""
OPENING_MS = 1500
"""The browser plays the file from when it opens the device, and begins to listen a little later."""

NOT_ANSWERED = (
    "قلت: نعم. للوصول إلى المحطة، خذ أول شارع على اليسار ثم اسأل هناك عن الطريق.",
    "الطقس جميل اليوم في الجبال، ولكن المطر ينزل على المدن القريبة من البحر منذ الصباح.",
)
"""Of about the same length: Whisper base does not follow espeak in Arabic, but tells what is spoken from what isn't."""


def times(tab: Visitor, number: int = 1) -> dict[str, int]:
    """The moments that a turn's bar tells of, in ms."""
    label = tab.turn(number).locator(".timings").get_attribute("aria-label") or ""
    return {name.strip(): int(ms) for name, ms in re.findall(r"([\w ]+) (\d+) ms", label.split(":", 1)[1])}


@pytest.mark.parametrize(
    ("language", "name"), [("en", "en-LJ011-0202"), ("ar", "ar-digits-357029")], ids=["english", "arabic"]
)
def test_spoken_turn_is_heard_answered_and_heard_again(
    launch: Launch, daemon: Daemon, listener: Listener, tmp_path: Path, language: Language, name: str
) -> None:
    file = tmp_path / "microphone.wav"
    speech = recording(f"{name}.wav")
    (AudioSegment.silent(OPENING_MS, speech.frame_rate) + speech).export(file, format="wav").close()
    with launch(f"--use-file-for-fake-audio-capture={file}%noloop") as browser, visitor(browser, SPEAKER) as tab:
        tab.visit(site(daemon), language)
        tab.talk()
        tab.state("hearing")
        tab.state("speaking")
        said, answered = tab.answered()
        sound = tab.heard()
    assert sound.max_dBFS > -20
    if language == "en":
        assert share_of_words(SAID[name], said) >= 0.8
        assert share_of_words(answered, listener.hear(sound, language)) >= UNDERSTOOD
    else:
        assert share_of_words(SAID[name], said) >= 0.3
        assert listener.likeliest(sound, [answered, *NOT_ANSWERED], language) == answered


def test_timings_of_a_spoken_turn_are_drawn_in_their_order(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.talk()
    tab.state("listening")
    tab.say("en-LJ011-0202.wav")
    tab.answered()
    moments = times(tab)
    # What was said may be understood before it is known to be all.
    assert set(moments) == {"end noticed", "understood", "first words", "first sound"}
    assert list(moments)[-1] == "first sound"
    assert sorted(moments.values()) == list(moments.values())
    assert 0 < moments["first sound"] < 60_000
    widths = [float(each.get_attribute("width") or 0) for each in tab.turn(1).locator(".timings rect").all()]
    assert sum(widths) == pytest.approx(100)


def test_speaking_interrupts_the_reply_and_is_answered(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.talk()
    tab.type(LONG_ANSWER)
    tab.state("speaking")
    tab.say("en-LJ011-0202.wav")
    said, _ = tab.answered(2)
    assert share_of_words(SAID["en-LJ011-0202"], said) >= 0.8
    assert tab.turn(1).locator(".interrupted").is_visible()
    # The turn itself may have been over: its last sound is sent sooner than it is played.
    assert daemon.logged("interrupted", reason="speech"), "the server was interrupted by what it heard"


def test_stop_button_ends_the_reply_at_once(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.type(LONG_ANSWER)
    tab.state("speaking")
    tab.page.click("#stop")
    tab.state("ready")
    tab.turn(1).locator(".interrupted").wait_for()
    assert tab.page.locator("#stop").is_disabled()
    assert tab.heard().duration_seconds < 3


@pytest.mark.parametrize("hand", ["space bar", "pointer", "enter key"])
def test_push_to_talk(tab: Visitor, daemon: Daemon, hand: str) -> None:
    tab.visit(site(daemon), mode="push-to-talk")
    keyboard, mouse = tab.page.keyboard, tab.page.mouse
    tab.page.hover("#talk")
    tab.page.focus("#talk")
    hands: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "space bar": (partial(keyboard.down, "Space"), partial(keyboard.up, "Space")),
        "pointer": (mouse.down, mouse.up),
        "enter key": (partial(keyboard.press, "Enter"), partial(keyboard.press, "Enter")),
    }
    press, release = hands[hand]
    press()
    tab.state("hearing")
    tab.say("en-LJ011-0202.wav")
    release()
    said, answered = tab.answered()
    assert share_of_words(SAID["en-LJ011-0202"], said) >= 0.8
    assert answered


def test_button_that_is_only_touched_gives_a_hint_and_no_turn(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon), mode="push-to-talk")
    tab.page.keyboard.down("Space")
    tab.state("hearing")
    tab.page.keyboard.up("Space")
    assert "too short" in tab.notice()
    assert tab.page.get_attribute("#notice", "data-kind") == "hint"
    tab.type("Hello")
    tab.answered()
    assert tab.turn(2).count() == 0


def test_typed_text_is_answered_in_speech_and_can_be_heard_again(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.type("Hello")
    said, answered = tab.answered()
    assert said == "Hello"
    tab.turn(1).locator(".again").click()
    tab.state("speaking")
    tab.state("ready")
    once = len(words(answered))
    assert tab.heard().duration_seconds > 2 * once * 0.15, "the reply was played twice"
    tab.type("Hello again")
    tab.answered(2)
    assert tab.turn(1).locator(".interrupted").is_hidden(), "what was heard to its end is not interrupted"


def test_new_conversation_forgets_and_goes_on(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.type(LONG_ANSWER)
    tab.state("speaking")
    tab.page.click("#fresh")
    tab.state("ready")
    assert tab.turn(1).count() == 0
    tab.type("Hello")
    tab.answered()


def test_reply_is_played_to_its_end_while_another_tab_is_in_front(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.type(LONG_ANSWER)
    tab.state("speaking")
    other = tab.page.context.new_page()
    other.bring_to_front()
    tab.answered()
    tab.page.bring_to_front()
    assert tab.heard().duration_seconds > 2
