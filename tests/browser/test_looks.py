"""How the pages look in every state, in both languages and themes, on a desktop and a phone.

Screenshots come to build/screenshots, to be looked at; axe-core judges whether everybody can use what they show.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page

from simplevoice.types import Language
from tests.browser.conftest import TOKEN
from tests.browser.gate import Gate
from tests.browser.visitor import Visitor, site
from tests.integration.daemon import Daemon

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
THEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")
SIZES = {"desktop": (1200, 800), "phone": (390, 844)}

RECORDINGS: dict[Language, str] = {"en": "en-LJ011-0202.wav", "ar": "ar-digits-357029.wav"}
QUESTIONS: dict[Language, str] = {
    "en": "What is the sea?",
    "ar": "ما هو البحر؟ أخبرني عن الأمواج والرياح والسفن البعيدة.",
}


def look(tab: Visitor, name: str) -> None:
    """Take a page's picture in both themes and sizes, and let axe-core judge it."""
    page = tab.page
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=SCREENSHOTS / f"{name}-{theme}-{size}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is too wide for a {size}"
        assert tab.barriers() == [], f"{name}, {theme}"
    page.set_viewport_size({"width": 1200, "height": 800})


@pytest.mark.parametrize("language", ["en", "ar"])
def test_conversation_looks_well_and_keeps_nobody_out(tab: Visitor, daemon: Daemon, language: Language) -> None:
    gate = Gate(tab.page)
    tab.visit(site(daemon), language)
    look(tab, f"{language}-1-ready")
    tab.talk()
    tab.state("listening")
    look(tab, f"{language}-2-listening")
    gate.hold_behind("speech_start")
    tab.say(RECORDINGS[language])
    tab.state("hearing")
    look(tab, f"{language}-3-hearing")
    gate.hold_behind("turn_processing_started")
    tab.state("thinking")
    look(tab, f"{language}-4-thinking")
    gate.release()
    tab.state("speaking")
    tab.page.evaluate("holdSpeaker(true)")
    tab.turn(1).locator(".timings").wait_for()
    look(tab, f"{language}-5-speaking")
    tab.page.evaluate("holdSpeaker(false)")
    tab.answered()
    look(tab, f"{language}-6-answered")
    tab.type(QUESTIONS[language])
    tab.state("speaking")
    tab.page.click("#stop")
    tab.turn(2).locator(".interrupted").wait_for()
    look(tab, f"{language}-7-interrupted")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_trouble_looks_well_and_keeps_nobody_out(tab: Visitor, daemon: Daemon, language: Language) -> None:
    gate = Gate(tab.page)
    tab.visit(site(daemon), language, mode="push-to-talk")
    look(tab, f"{language}-8-push-to-talk")
    tab.page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotAllowedError"); };
    }""")
    tab.page.keyboard.down("Space")
    tab.notice()
    look(tab, f"{language}-9-microphone-refused")
    tab.page.route("**/ticket", lambda route: route.abort())
    gate.close()
    tab.connection("waiting")
    tab.notice()
    look(tab, f"{language}-10-waiting")
    tab.page.unroute_all()
    tab.page.route("**/ticket", lambda route: route.fulfill(status=401))
    tab.page.reload()
    tab.page.wait_for_selector("#token[open]")
    look(tab, f"{language}-11-token")


def test_arabic_is_read_from_the_right_in_arabic_alone(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon), "ar")
    assert tab.page.get_attribute("html", "dir") == "rtl"
    assert tab.page.get_attribute("html", "lang") == "ar"
    shown = tab.page.inner_text("body").replace("English", "").replace("simplevoice", "")
    assert re.findall("[A-Za-z]+", shown) == []
    tab.page.reload()
    tab.connected()
    assert tab.page.get_attribute("html", "dir") == "rtl", "the choice is remembered"
    tab.choose(language="en")
    assert tab.page.get_attribute("html", "dir") == "ltr"
    assert re.findall("[\u0600-\u06ff]+", tab.page.inner_text("body")) == ["العربية"]


def focused(page: Page) -> str:
    """What the keyboard is at."""
    return str(
        page.evaluate("""() => {
          const { id, name, className, href } = document.activeElement;
          return id || name || className.split(" ")[0] || href;
        }""")
    )


def test_tab_key_leads_through_the_page_in_reading_order(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.type("Hello")
    tab.answered()
    tab.page.mouse.click(1, 1)
    order: list[str] = []
    while not order or not order[-1].endswith("status"):
        tab.page.keyboard.press("Tab")
        order.append(focused(tab.page))
    assert [each.removeprefix(site(daemon)) for each in order] == [
        "language", "voice", "mode", "talk", "fresh", "transcript", "again", "text", "send", "status",
    ]  # fmt: skip


def test_transcript_shows_its_end_until_somebody_scrolls_up(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.page.set_viewport_size({"width": 390, "height": 500})
    for number in (1, 2, 3):
        tab.type("Hello")
        tab.answered(number)
    view = tab.page.locator("#transcript").bounding_box()
    last = tab.turn(3).locator(".again").bounding_box()
    assert view
    assert last
    assert view["y"] < last["y"] < view["y"] + view["height"]
    tab.page.locator("#transcript").evaluate("each => { each.scrollTop = -each.scrollHeight; }")
    assert (tab.turn(1).bounding_box() or view)["y"] > view["y"]
    before = tab.page.locator("#transcript").evaluate("each => each.scrollTop")
    tab.type("Hello")
    tab.answered(4)
    assert tab.page.locator("#transcript").evaluate("each => each.scrollTop") <= before


def test_window_title_tells_the_state(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    assert tab.page.title() == "simplevoice"
    tab.talk()
    tab.state("listening")
    assert tab.page.title() == "Listening · simplevoice"


STATUS_WORDS: dict[Language, tuple[str, str, str]] = {
    "en": ("ready", "closed", r"First sound\s*(1 turn|\d+ turns), p50\s≈\s\d+\.\d\d\ss"),
    "ar": ("جاهز", "مغلق", r"أول الصوت\s*(دور واحد|الأدوار: \d+)، p50\s≈\s\d+\.\d\d\sث"),
}
"""How an engine is, how its breaker is, and what is drawn."""


@pytest.mark.parametrize("language", ["en", "ar"])
def test_status_page_shows_what_goes_on(tab: Visitor, daemon: Daemon, language: Language) -> None:
    state, breaker, drawn = STATUS_WORDS[language]
    tab.visit(site(daemon), language)
    tab.type(QUESTIONS[language])
    tab.answered()
    status = tab.page.context.new_page()
    visitor = Visitor(status)
    status.goto(f"{site(daemon)}status")
    status.wait_for_selector("#connection[data-status=open]")
    engines = status.inner_text("#engines")
    assert all(name in engines for name in ("whisper", "llama", "espeak", state, breaker))
    assert "server_vad" in status.inner_text("#connections")
    status.wait_for_selector("#latency figure")
    assert re.search(drawn, status.inner_text("#latency"))
    heights = [float(bar.get_attribute("height") or 0) for bar in status.locator("#latency rect").all()]
    assert max(heights) > 0
    assert status.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
    look(visitor, f"{language}-status")


def test_pages_have_every_text_in_both_languages(tab: Visitor, daemon: Daemon) -> None:
    tab.page.goto(f"{site(daemon)}icon.svg")
    shapes = tab.page.evaluate(
        """async (site) => {
          const shape = (value) => typeof value === "string" ? "" : Array.isArray(value) ? value.length
            : Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shape(item)]));
          const modules = await Promise.all(["texts.js", "status-texts.js"].map((name) => import(site + name)));
          return modules.map(({ TEXTS: { en, ar } }) => {
            const [one, other] = [shape(en), shape(ar)];
            delete one.words;
            delete other.words;
            return [one, other];
          });
        }""",
        site(daemon),
    )
    for english, arabic in shapes:
        assert english == arabic


def test_status_page_shows_all_only_with_the_token(tab: Visitor, guarded: Daemon) -> None:
    tab.page.goto(f"{site(guarded)}status")
    tab.page.wait_for_selector("#token:not([hidden])")
    assert "whisper" in tab.page.inner_text("#engines")
    assert tab.page.locator(".guarded:visible").count() == 0
    look(tab, "status-token")
    tab.show_token("not-the-token-0123456789")
    tab.page.wait_for_selector("#token-problem:not([hidden])")
    tab.show_token(TOKEN)
    tab.page.wait_for_selector("#latency figure")
    assert tab.page.is_hidden("#token")
