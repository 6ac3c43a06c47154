"""A fetch of weights, as it is seen and stopped from outside the thread that it blocks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from simplevoice.models.sources import Progress

_current: ContextVar["Fetching | None"] = ContextVar("fetching", default=None)
"""Reaches also the threads of ``asyncio.to_thread``, so that no engine has to pass it on."""


class Fetching:
    """What is being fetched, and how far it is: ``done`` of ``total`` bytes, 0 while that is not known."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.done = 0
        self.total = 0
        self.stopped = threading.Event()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow the fetches that are begun within, and stop them when an exception, such as a cancellation, leaves."""
        token = _current.set(self)
        try:
            yield
        except BaseException:
            self.stopped.set()
            raise
        finally:
            _current.reset(token)


@contextmanager
def watched(model: str, progress: Progress) -> Iterator[tuple[Progress, threading.Event]]:
    """Show the fetch of a model to whoever follows; gives the progress to report to, and what tells to stop."""
    fetching = _current.get() or Fetching()

    def report(done: int, total: int) -> None:
        fetching.done, fetching.total = done, total
        progress(done, total)

    fetching.model = model
    try:
        yield report, fetching.stopped
    finally:
        fetching.model = None
