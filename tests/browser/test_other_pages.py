"""Pages of others: those that use simplevoice.js, and the clients that exist in the field."""

import itertools
from collections.abc import Iterator

import pytest

from simplevoice.models.store import ModelStore
from tests.browser.conftest import PATIENT
from tests.browser.other_site import OtherSite
from tests.browser.visitor import Visitor, site
from tests.integration.daemon import Daemon
from tests.integration.listener import SAID, share_of_words

SAYS = SAID["en-LJ011-0202"]


def talk_on_example(tab: Visitor) -> None:
    """Have a turn on the example page."""
    tab.page.click("#talk")
    tab.page.wait_for_selector("#state:text-is('listening')")
    tab.say("en-LJ011-0202.wav")
    tab.page.wait_for_selector("#state:text-is('speaking')")
    tab.page.wait_for_selector("#state:text-is('listening')")
    assert share_of_words(SAYS, tab.page.inner_text("#turns dt")) >= 0.8
    assert tab.page.inner_text("#turns dd")
    assert tab.heard().max_dBFS > -20
    tab.page.click("#stop")
    tab.page.wait_for_selector("#state:text-is('off')")


def test_example_page_talks(tab: Visitor, daemon: Daemon) -> None:
    tab.page.goto(f"{site(daemon)}example.html")
    talk_on_example(tab)


def test_page_of_another_site_that_is_allowed_talks(tab: Visitor, daemon: Daemon, other_site: OtherSite) -> None:
    tab.page.goto(other_site.origin + other_site.add("other_page.html", site=site(daemon)))
    talk_on_example(tab)


def test_page_of_another_site_that_is_not_allowed_is_kept_out(
    tab: Visitor, daemon: Daemon, other_site: OtherSite
) -> None:
    tab.page.goto(f"{other_site.stranger}/")
    reason = tab.page.evaluate(
        """async (site) => {
          const { SimpleVoice } = await import(`${site}simplevoice.js`);
          const voice = new SimpleVoice();
          const closed = new Promise((resolve) =>
            voice.addEventListener("connection", ({ detail }) => detail.status !== "connecting" && resolve(detail)));
          voice.connect();
          const { status, reason } = await closed;
          voice.disconnect();
          return `${status}: ${reason}`;
        }""",
        site(daemon),
    )
    assert reason == "closed: origin"


@pytest.fixture(scope="module")
def field_daemon(weights: ModelStore, other_site: OtherSite) -> Iterator[Daemon]:
    """A daemon as it takes the place of the one that the clients in the field know."""
    options = ("--path-prefix=/api/v1", "--connection-ids=server", "--conversation-turn-detection=server_vad")
    with Daemon.running(weights, *PATIENT, *options, f"--allowed-origin={other_site.origin}") as daemon:
        yield daemon


def test_client_in_the_field_talks_and_its_audio_element_plays_the_reply(
    tab: Visitor, field_daemon: Daemon, other_site: OtherSite
) -> None:
    server = field_daemon.url.removesuffix("/ws/simple-voice-chat")
    tab.page.goto(other_site.origin + other_site.add("field_client.html", server=server))
    tab.page.click("#start")
    tab.page.wait_for_function("received.some(({ type }) => type === 'vad_update')")
    tab.say("en-LJ011-0202.wav")
    tab.page.wait_for_function("facts.played")
    messages = tab.page.evaluate("received")
    kinds = [kind for kind, _ in itertools.groupby(m["type"] for m in messages if m["type"] != "vad_update")]
    assert kinds[:2] == ["connection_established", "speech_start"]
    assert kinds[-3:] == ["speech_end", "turn_processing_started", "voice_response"]
    response = messages[[m["type"] for m in messages].index("voice_response")]
    assert share_of_words(SAYS, response["transcription"]) >= 0.8
    assert response["audio_format"] == "mp3"
    played_ms = 1000 * tab.page.evaluate("facts.duration")
    assert played_ms == pytest.approx(response["duration_ms"], abs=150)
