"""The picture of README.md: a conversation on the web client, with the engines as they are."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.conftest import visitor
from tests.browser.test_looks import SCREENSHOTS
from tests.browser.visitor import MICROPHONE, SPEAKER, site
from tests.integration.daemon import Daemon

QUESTION = "Which animals live in the ocean?"
MAX_BYTES = 150_000
"""Of a file that everybody fetches who looks at the project."""


def spoken(text: str, file: Path) -> Path:
    """Let the daemon's own local voice ask."""
    say = ("-m", "simplevoice", "say", text, "--language=en", "--voice-type=male", "--engine=piper", "--format=wav")
    subprocess.run([sys.executable, *say, f"--save={file}"], check=True)
    return file


def test_picture_of_a_conversation(browser: Browser, daemon: Daemon, tmp_path: Path) -> None:
    size = {"width": 1120, "height": 620}
    with visitor(browser, SPEAKER, MICROPHONE, viewport=size, device_scale_factor=1.5) as tab:
        tab.visit(site(daemon))
        tab.talk()
        tab.state("listening")
        tab.say(spoken(QUESTION, tmp_path / "question.wav"))
        tab.state("speaking")
        tab.turn(1).locator(".timings").wait_for()
        picture = tab.page.screenshot(path=SCREENSHOTS / "page.png")
        assert len(picture) < MAX_BYTES
