"""Somebody who visits a page: sees, hears and handles it as a person does."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page
from pydub import AudioSegment
from pydub.silence import detect_leading_silence

from simplevoice.types import Language
from tests.integration.daemon import Daemon
from tests.integration.listener import decode_reply
from tests.media import DATA

HERE = Path(__file__).parent
SPEAKER = (HERE / "speaker.js").read_text()
MICROPHONE = (HERE / "microphone.js").read_text()

SILENCE_DBFS = -50.0


def site(daemon: Daemon) -> str:
    """The address of a daemon's pages."""
    return daemon.url.replace("ws://", "http://", 1).removesuffix("ws/simple-voice-chat")


class Visitor:
    """One tab. ``problems`` holds what went wrong in it and nobody caught."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def visit(self, address: str, language: Language = "en", mode: str = "hands-free") -> None:
        """Open the client and wait until it is connected; the male voice is the one that Whisper understands."""
        self.page.goto(address)
        self.choose(language=language, voice="male", mode=mode)
        self.connected()

    def choose(self, **choices: str) -> None:
        """Choose a language, a voice, a way of talking."""
        for name, value in choices.items():
            self.page.locator(f"input[name={name}][value={value}]").check()

    def connected(self) -> None:
        """Wait for the server."""
        self.connection("open")

    def connection(self, status: str) -> None:
        """Wait until the connection is known to be so."""
        self.page.wait_for_selector(f"#connection[data-status={status}]")

    def state(self, *states: str) -> None:
        """Wait until one of these states is shown."""
        self.page.wait_for_selector(", ".join(f"#stage[data-state={state}]" for state in states))

    def talk(self) -> None:
        """Press the big button."""
        self.page.click("#talk")

    def say(self, recording: str | Path) -> None:
        """Speak a file, by default one of tests/data, into the microphone; returns when everything has been said."""
        sound = b64encode((DATA / recording).read_bytes()).decode()
        self.page.evaluate("sound => sayIntoMicrophone(sound)", sound)

    def type(self, text: str) -> None:
        """Send a typed message."""
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    def turn(self, number: int) -> Locator:
        """A turn of the transcript, the first one is 1."""
        return self.page.locator(f"#turns > li:nth-child({number})")

    def answered(self, number: int = 1) -> tuple[str, str]:
        """Wait for the end of a turn, also of its sound; gives what was said and what was answered."""
        row = self.turn(number)
        row.locator(".timings").wait_for()
        self.state("ready", "listening")
        return row.locator(".user bdi").inner_text(), row.locator(".reply bdi").inner_text()

    def show_token(self, token: str) -> None:
        """Fill in the token that the page asks for."""
        self.page.fill("#token-field", token)
        self.page.press("#token-field", "Enter")

    def notice(self) -> str:
        """Wait for a notice; gives its text."""
        self.page.wait_for_selector("#notice:not([hidden])")
        return self.page.inner_text("#notice p")

    def heard(self) -> AudioSegment:
        """What came out of the speaker since the page was opened, from the first sound to the last. Once a page."""
        webm = b64decode(self.page.evaluate("heardFromSpeaker()"))
        sound = decode_reply(webm, "opus")
        before = detect_leading_silence(sound, SILENCE_DBFS)
        behind = detect_leading_silence(sound.reverse(), SILENCE_DBFS)
        return sound[before : len(sound) - behind]

    def barriers(self) -> list[str]:
        """What axe-core finds that keeps somebody out."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]
