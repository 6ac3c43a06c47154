"""When something is in the way: the page says what, in words that help, and goes on when it can."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from simplevoice.models.store import ModelStore
from tests.browser.conftest import PLAIN_NAME, QUICK, TOKEN, Launch, visitor
from tests.browser.gate import Gate
from tests.browser.visitor import Visitor, site
from tests.integration.daemon import Daemon


def session(tab: Visitor, daemon: Daemon) -> str:
    """The session of the one connection, as the server knows it."""
    status = tab.page.request.get(f"{site(daemon)}ws/simple-voice-chat/status").json()
    [connection] = status["connections"]
    return str(connection["session_id"])


def test_page_waits_for_a_server_that_restarts_and_goes_on_with_the_session(tab: Visitor, weights: ModelStore) -> None:
    with Daemon.running(weights, *QUICK) as first:
        address = site(first)
        tab.visit(address)
        tab.type("Hello")
        tab.answered()
        before = session(tab, first)
    tab.connection("waiting")
    assert "Trying again" in tab.notice()
    with Daemon.running(weights, *QUICK, f"--port={urlsplit(address).port}") as second:
        tab.connected()
        assert tab.page.is_hidden("#notice")
        assert session(tab, second) == before
        tab.type("Hello again")
        assert tab.answered(2)[0] == "Hello again"
        assert tab.turn(1).locator(".user bdi").inner_text() == "Hello"
        tab.page.close()


def test_conversation_that_is_forgotten_while_the_server_is_away_is_forgotten_when_it_is_back(
    tab: Visitor, daemon: Daemon
) -> None:
    gate = Gate(tab.page)
    tab.visit(site(daemon))
    tab.page.evaluate("""() => {
      const send = WebSocket.prototype.send;
      window.sent = [];
      WebSocket.prototype.send = function (data) {
        sent.push(JSON.parse(data).type);
        send.call(this, data);
      };
    }""")
    gate.close()
    tab.connection("waiting")
    tab.page.click("#fresh")
    tab.connected()
    assert tab.page.evaluate("sent") == ["reset_conversation"]


def test_wrong_token_is_asked_for_again_and_the_right_one_lets_in(tab: Visitor, guarded: Daemon) -> None:
    tab.page.goto(site(guarded))
    tab.page.wait_for_selector("#token[open]")
    assert tab.page.is_hidden("#token-problem")
    tab.show_token("not-the-token-0123456789")
    tab.page.wait_for_selector("#token-problem:visible")
    tab.show_token(TOKEN)
    tab.connected()
    tab.type("Hello")
    tab.answered()
    tab.page.reload()
    tab.connected()


def test_dialog_that_was_left_comes_again_with_the_next_try(tab: Visitor, guarded: Daemon) -> None:
    tab.page.goto(site(guarded))
    tab.page.wait_for_selector("#token[open]")
    tab.page.fill("#token-field", TOKEN)
    tab.page.keyboard.press("Escape")
    tab.connection("closed")
    tab.talk()
    tab.page.wait_for_selector("#token[open]")
    assert tab.page.input_value("#token-field") == ""


def test_page_waits_for_a_server_that_is_starting(tab: Visitor, daemon: Daemon) -> None:
    starting = {"status": 503, "body": "starting\n", "headers": {"Retry-After": "1"}}
    tab.page.route("**/ticket", lambda route: route.fulfill(**starting))
    tab.page.goto(site(daemon))
    tab.connection("waiting")
    assert "The server is starting" in tab.notice()
    tab.page.unroute_all()
    tab.connected()


def test_page_that_finds_no_place_says_so_and_takes_the_next_that_is_free(
    browser: Browser, tab: Visitor, guarded: Daemon
) -> None:
    tab.page.goto(site(guarded))
    tab.show_token(TOKEN)
    tab.connected()
    with visitor(browser) as second:
        second.page.goto(site(guarded))
        second.show_token(TOKEN)
        second.connection("waiting")
        assert "busy" in second.notice()
        tab.page.close()
        second.connected()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotAllowedError", "not allowed"),
        ("NotFoundError", "No microphone"),
        ("NotReadableError", "can't be opened"),
    ],
)
def test_microphone_that_can_not_be_had(browser: Browser, daemon: Daemon, error: str, words: str) -> None:
    refusal = f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{error}'); }}"
    with visitor(browser, refusal) as tab:
        tab.visit(site(daemon))
        tab.talk()
        assert words in tab.notice()
        tab.page.click("#dismiss")
        assert tab.page.is_hidden("#notice")
        tab.type("Hello")
        tab.answered()


def test_page_without_https_says_why_there_is_no_microphone(launch: Launch, daemon: Daemon) -> None:
    with launch(f"--host-resolver-rules=MAP {PLAIN_NAME} 127.0.0.1") as browser, visitor(browser) as tab:
        tab.visit(site(daemon).replace("127.0.0.1", PLAIN_NAME))
        tab.talk()
        assert "https" in tab.notice()
        tab.type("Hello")
        tab.answered()


def test_microphone_that_is_unplugged_is_missed_and_found_again(tab: Visitor, daemon: Daemon) -> None:
    tab.visit(site(daemon))
    tab.page.evaluate("""() => {
      const open = navigator.mediaDevices.getUserMedia;
      navigator.mediaDevices.getUserMedia = async () => (window.device = await open());
    }""")
    tab.talk()
    tab.state("listening")
    tab.page.evaluate("device.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    assert "No microphone" in tab.notice()
    tab.state("ready")
    tab.talk()
    tab.state("listening")
    assert tab.page.evaluate("device.getAudioTracks()[0].readyState") == "live"
