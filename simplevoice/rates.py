"""How much one client may ask for in a time.

The arithmetic is pyrate-limiter's generic cell rate algorithm: one number for each allowance, no thread, and a clock
that is ours, the monotonic one, so that setting the wall clock gives nobody more or less.
"""

import time
from collections.abc import Callable
from functools import lru_cache

from pyrate_limiter import GCRA, Rate

from simplevoice.config import LimitsConfig
from simplevoice.errors import RateLimitedError

_ALGORITHM = GCRA()
_PERIODS = 1000
"""The library counts in whole units and milliseconds: over so many periods no fraction is lost."""


class Allowance:
    """So many units a period, sustained, and ``burst`` of them at once."""

    __slots__ = ("_clock", "_rates", "_state")

    def __init__(
        self, units: float, seconds: float, *, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rates = _rates(units, seconds, burst)
        self._state = _ALGORITHM.initial(self._rates)
        self._clock = clock

    def take(self, units: int = 1) -> None:
        """Use up some of it, or raise RateLimitedError, which takes nothing and says when there is enough again."""
        now_ms = int(self._clock() * 1000)
        self._state, decision = _ALGORITHM.step(self._rates, self._state, now_ms, units)
        if not decision.allowed:
            raise RateLimitedError(f"{units} more of {self._rates[0]}", retry_after_ms=decision.retry_after_ms)


@lru_cache(maxsize=64)
def _rates(units: float, seconds: float, burst: float) -> list[Rate]:
    """Make what the library wants; all connections under the same limits share it."""
    limit, interval_ms = round(units * _PERIODS), round(seconds * 1000 * _PERIODS)
    return [Rate(max(1, limit), interval_ms, burst=max(1, round(burst)))]


def turns_allowed(limits: LimitsConfig) -> Allowance:
    """What a connection may ask for, in turns; a minute's at once."""
    return Allowance(limits.turns_per_minute, 60, burst=limits.turns_per_minute)


def audio_allowed(limits: LimitsConfig, clock: Callable[[], float] = time.monotonic) -> Allowance:
    """What a connection may say, in ms; a minute's at once, or the longest utterance."""
    burst_seconds = max(limits.audio_seconds_per_minute, limits.max_audio_seconds)
    return Allowance(limits.audio_seconds_per_minute * 1000, 60, burst=burst_seconds * 1000, clock=clock)
