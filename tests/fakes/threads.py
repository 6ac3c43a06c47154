"""Threads that do nothing until they are told to."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class SteppingThreads(Executor):
    """Keeps what it is given; each ``step`` does the oldest of it, at once."""

    def __init__(self) -> None:
        self._given: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()
        self._given.append((future, lambda: fn(*args, **kwargs)))
        return future

    @property
    def busy(self) -> int:
        """How much it was given that is not done."""
        return len(self._given)

    def step(self) -> None:
        future, work = self._given.popleft()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - handed on, as a thread pool does
            future.set_exception(error)
