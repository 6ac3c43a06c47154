"""What the tests of the whole daemon share: one daemon with the default engines, and one who listens to it."""

from collections.abc import Iterator

import pytest

from simplevoice.config.sources import load
from simplevoice.models.store import ModelStore
from tests.integration.daemon import Daemon
from tests.integration.listener import Listener

WEIGHTS = ("whisper-base", "smollm2-135m", "silero-vad", "smart-turn-v3")


@pytest.fixture(scope="session")
def weights() -> ModelStore:
    """The weights that the daemon needs. Without them the tests fail: none is skipped."""
    store = ModelStore(load().config.models)
    missing = [name for name in WEIGHTS if not store.present(name)]
    assert not missing, f"{', '.join(missing)} is missing in {store.root}; run: simplevoice models pull --for-tests"
    return store


@pytest.fixture(scope="session")
def daemon(weights: ModelStore) -> Iterator[Daemon]:
    """One daemon for all tests, which speaks with espeak. It must survive them all, and end well."""
    with Daemon.running(weights, "--tts-engine=espeak") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def listener(weights: ModelStore) -> Listener:
    """The second Whisper."""
    return Listener(weights)
