"""How fast the last turns were."""

import math
from collections import deque

import msgspec

from simplevoice.observation import TurnReport

TARGET_RESPONSE_TIME = "< 2 seconds"

REMEMBERED = 1000
"""Turns that the percentiles speak of."""


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds; None before the first turn."""

    p50: int | None
    p95: int | None


class Performance:
    """Counts answered turns, and keeps the times of the last ones."""

    def __init__(self) -> None:
        self.turns = 0
        self._response_ms: deque[int] = deque(maxlen=REMEMBERED)
        self._first_audio_ms: deque[int] = deque(maxlen=REMEMBERED)

    def record(self, report: TurnReport) -> None:
        """Count a turn that was answered."""
        if report.kind != "turn" or report.outcome != "answered":
            return
        self.turns += 1
        self._response_ms.append(report.times.total)
        if report.times.first_audio is not None:
            self._first_audio_ms.append(report.times.first_audio)

    @property
    def response_time_ms(self) -> Percentiles:
        """From the end of the user's audio to the last message of the turn."""
        return _percentiles(self._response_ms)

    @property
    def first_audio_ms(self) -> Percentiles:
        """From the end of the user's audio to the first sound of the reply."""
        return _percentiles(self._first_audio_ms)


def _percentiles(values: deque[int]) -> Percentiles:
    """Nearest-rank percentiles."""
    if not values:
        return Percentiles(None, None)
    ranked = sorted(values)
    return Percentiles(*(ranked[math.ceil(len(ranked) * q) - 1] for q in (0.50, 0.95)))
