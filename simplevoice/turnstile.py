"""Who may work: so many turns at once in the whole daemon. Who finds no place waits, first come, first served.

A connection has one turn in progress, so it stands in the queue once, and with its next turn joins the end of it:
however quickly one repeats itself, all others who wait come first.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from statistics import fmean

from simplevoice.config import LimitsConfig
from simplevoice.engines.cores import CORES
from simplevoice.errors import BusyError

REMEMBERED = 64
"""Turns by whose duration it is estimated how long one more would have to wait."""
LEAST_PLACES = 4
"""As many replies as the local language model makes at once."""


def places_of(limits: LimitsConfig) -> int:
    """Give the operator's number; else two for each core, since a turn waits for networks and devices too."""
    return limits.max_turns or max(LEAST_PLACES, 2 * CORES)


class Place:
    """A turn's place: stood in the queue for, then held."""

    def __init__(self, turnstile: "Turnstile") -> None:
        self.held = asyncio.Event()
        self._turnstile = turnstile

    async def wait(self) -> None:
        """Wait until it is held. Raises BusyError when that takes too long; then it is left."""
        if self.held.is_set():
            return
        try:
            async with asyncio.timeout(self._turnstile.wait_seconds):
                await self.held.wait()
        except TimeoutError:
            if self.held.is_set():
                return
            self.leave()
            details = {"retry_after_ms": self._turnstile.estimate_wait_ms()}
            raise BusyError("no place for another turn", details=details) from None

    def leave(self) -> None:
        """Give it back, or stand in the queue no more. Doing so again does nothing."""
        self._turnstile.take_back(self)


class Turnstile:
    """Gives out ``places``, and refuses who waits for longer than ``wait_seconds``."""

    def __init__(self, places: int, wait_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.places = places
        self.wait_seconds = wait_seconds
        self._clock = clock
        self._held_since: dict[Place, float] = {}
        self._queue: deque[Place] = deque()
        self._durations: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def in_progress(self) -> int:
        """How many places are held."""
        return len(self._held_since)

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._queue)

    def ask(self) -> Place:
        """Take a place, or stand in the queue for one. It has to be left, whatever happens."""
        place = Place(self)
        self._queue.append(place)
        self._admit()
        return place

    def ask_ahead(self) -> Place | None:
        """Take a place for work that may be in vain: only one that nobody else wants."""
        return self.ask() if self.in_progress < self.places else None

    def resize(self, places: int, wait_seconds: float) -> None:
        """Have more places, or fewer from when those who hold them leave."""
        self.places, self.wait_seconds = places, wait_seconds
        self._admit()

    def take_back(self, place: Place) -> None:
        """Let the next one have it at once."""
        since = self._held_since.pop(place, None)
        if since is not None:
            self._durations.append(self._clock() - since)
            self._admit()
        elif place in self._queue:
            self._queue.remove(place)

    def estimate_wait_ms(self) -> int:
        """Estimate how long one who comes now would wait, from how long the last turns and those in progress took."""
        now = self._clock()
        durations = [*self._durations, *(now - since for since in self._held_since.values())]
        rounds = (self.waiting + 1) / self.places
        return math.ceil(rounds * fmean(durations) * 1000) if durations else 0

    def _admit(self) -> None:
        while self._queue and self.in_progress < self.places:
            place = self._queue.popleft()
            self._held_since[place] = self._clock()
            place.held.set()
