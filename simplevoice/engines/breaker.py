"""A circuit breaker: after failures in a row a dead service is left alone, until a probe shows that it is back."""

import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """The state alone: no I/O, no task, no clock of its own.

    ``closed``: the service is asked. ``open``: it is not. ``half_open``: one probe is under way.
    """

    def __init__(self, failures: int, retry_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at = 0.0
        self._state: BreakerState = "closed"

    @property
    def state(self) -> BreakerState:
        """The state now. Time alone never changes it."""
        return self._state

    @property
    def probe_in(self) -> float:
        """Seconds until the next probe is due; 0 when it is, or when none is needed."""
        if self._state != "open":
            return 0.0
        return max(0.0, self._opened_at + self._retry_seconds - self._clock())

    def probe(self) -> None:
        """Note that a probe begins."""
        if self._state == "open":
            self._state = "half_open"

    def succeed(self) -> None:
        """Note that the service did its work. Close, and forget the failures."""
        self._failures = 0
        self._state = "closed"

    def fail(self) -> None:
        """Note a failure. Open when it was one too many, or when it was the probe's."""
        self._failures += 1
        if self._state == "half_open" or (self._state == "closed" and self._failures >= self._limit):
            self.open()

    def open(self) -> None:
        """Open, as after a failure too many: the service is known to be gone."""
        self._state = "open"
        self._opened_at = self._clock()
