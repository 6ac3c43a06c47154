"""What holds for every test: nothing in simplevoice may block the event loop."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from blockbuster import blockbuster_ctx


def pytest_configure() -> None:
    """Heed ctrl-c, and so let what tests start: a job in a shell's background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    """Fail a call that blocks while an event loop runs, where it comes from simplevoice."""
    with blockbuster_ctx("simplevoice"):
        yield


@pytest.fixture(autouse=True, scope="session")
def plain_tracebacks() -> None:
    """Where rich is installed, structlog would let it read files for a traceback, on the event loop.

    The daemon's own logging leaves that to its thread.
    """
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])
