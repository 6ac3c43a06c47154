"""What the browser tests share: Chromium, one daemon with real engines, and those who visit its page."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from simplevoice.models.store import ModelStore
from tests.browser.other_site import OtherSite
from tests.browser.visitor import MICROPHONE, SPEAKER, Visitor
from tests.integration.conftest import listener, weights
from tests.integration.daemon import Daemon

__all__ = ["listener", "weights"]

HERE = Path(__file__).parent
SECONDS = 180
"""For one test, on a machine with much else to do."""
WAIT_MS = 60_000.0
"""For anything that is to be seen on a page."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)

PATIENT = (
    "--tts-engine=espeak",
    "--llm-threads=1",
    "--llm-timeout-seconds=40",
    "--stt-threads=1",
    "--stt-timeout-seconds=40",
    "--limits-turn-timeout-seconds=60",
)
"""A browser takes the cores that a daemon would like to have."""

QUICK = (*PATIENT, "--llm-engine=echo")

PLAIN_NAME = "talk.test"
"""A name of the daemon that, unlike loopback, needs https to get the microphone."""

TOKEN = "browser-0123456789abcdef"

Launch = Callable[..., Browser]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They take a browser and their time."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def other_site() -> Iterator[OtherSite]:
    """A site whose pages may talk to the daemon."""
    with OtherSite.running() as site:
        yield site


@pytest.fixture(scope="session")
def daemon(weights: ModelStore, other_site: OtherSite) -> Iterator[Daemon]:
    """One daemon for all tests that need no other settings."""
    options = (*PATIENT, f"--allowed-origin={other_site.origin}", f"--allowed-host={PLAIN_NAME}")
    with Daemon.running(weights, *options) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def guarded(weights: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a token, and with room for one."""
    tokens: Path = tmp_path_factory.mktemp("guarded") / "tokens"
    tokens.touch(0o600)
    tokens.write_text(f"browser:{TOKEN}\n")
    with Daemon.running(weights, *QUICK, f"--auth-token-file={tokens}", "--limits-max-connections=1") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives the browser."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    """Start Debian's Chromium, with further flags; whoever starts it closes it."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing; these tests are started by `make test-browser`"
    return lambda *flags: playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])


@pytest.fixture(scope="session")
def browser(launch: Launch) -> Iterator[Browser]:
    """One Chromium for all tests that need no flags of their own."""
    with launch() as browser:
        yield browser


@contextmanager
def visitor(browser: Browser, *scripts: str, **context: object) -> Iterator[Visitor]:
    """Open a tab in a fresh profile. Nothing may go wrong in it unnoticed."""
    with browser.new_context(**context) as fresh:  # type: ignore[arg-type] # the options of new_context
        fresh.set_default_timeout(WAIT_MS)
        for script in scripts:
            fresh.add_init_script(script)
        visitor = Visitor(fresh.new_page())
        yield visitor
        assert visitor.problems == []


@pytest.fixture
def tab(browser: Browser) -> Iterator[Visitor]:
    """A tab with a microphone that the test speaks into, and a speaker that it hears."""
    with visitor(browser, SPEAKER, MICROPHONE) as tab:
        yield tab
