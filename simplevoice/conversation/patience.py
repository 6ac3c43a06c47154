"""How long a client waits for its turn, and how long it may."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Patience:
    """A deadline from when the client began to wait; while it is busy itself, time does not pass."""

    def __init__(self, seconds: float, next_seconds: float) -> None:
        """It waits ``seconds`` for its turn, or for the first sound of it, and ``next_seconds`` for each next sound."""
        self._seconds = seconds
        self._next_seconds = next_seconds
        self._shortest = min(seconds, next_seconds)
        self._waits_since = math.inf
        """On the monotonic clock, seconds; infinite before it waits."""
        self.suspended_seconds = 0.0
        """How long it was busy itself, in all."""
        self._suspended_since = math.inf
        self._suspensions = 0

    def begin(self) -> None:
        """From now on it waits for its turn."""
        self._waits_since = self._suspended_since = time.monotonic()

    def go_on(self) -> None:
        """From now on, behind a sound, it waits for the next one."""
        self._seconds = self._next_seconds
        self.begin()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """While it takes what is sent to it, it does not wait, however slowly it does. Several may be sending."""
        if not self._suspensions:
            self._suspended_since = time.monotonic()
        self._suspensions += 1
        try:
            yield
        finally:
            self._suspensions -= 1
            if not self._suspensions:
                seconds = time.monotonic() - self._suspended_since
                self._waits_since += seconds
                self.suspended_seconds += seconds

    async def outlast(self, work: asyncio.Task[Any]) -> bool:
        """Wait for the work; False when the client has waited too long for it."""
        while not work.done() and self._left > 0:
            # A wait that begins meanwhile is not over before the shortest time has passed.
            await asyncio.wait([work], timeout=min(self._left, self._shortest))
        return work.done()

    @property
    def _left(self) -> float:
        waited = time.monotonic() - self._waits_since
        return math.inf if self._suspensions else self._seconds - waited
