import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.config import LimitsConfig
from simplevoice.errors import ErrorCode, RateLimitedError
from simplevoice.rates import Allowance, audio_allowed, turns_allowed


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def refused(allowance: Allowance, units: int = 1) -> int:
    """For how many milliseconds; 0 when it was not."""
    try:
        allowance.take(units)
    except RateLimitedError as error:
        wait_ms: int = error.details["retry_after_ms"]
        return wait_ms
    return 0


def test_bursts_pass_and_then_the_rate() -> None:
    clock = Clock()
    allowance = Allowance(2, 1, burst=4, clock=clock)
    assert [refused(allowance) for _ in range(5)] == [0, 0, 0, 0, 500]
    clock.advance(0.5)
    assert [refused(allowance) for _ in range(2)] == [0, 500]
    clock.advance(1000)
    assert [refused(allowance) for _ in range(5)] == [0, 0, 0, 0, 500]


@pytest.mark.parametrize("rate", [0.001, 0.3, 7.7, 33.3, 10_000])
def test_any_rate_is_kept_to_a_percent(rate: float) -> None:
    clock = Clock()
    burst = max(2, round(2 * rate))
    allowance = Allowance(rate, 1, burst=burst, clock=clock)
    allowance.take(burst)
    steps, step = 4000, 0.25 / rate
    taken = 0
    for _ in range(steps):
        clock.advance(step)
        taken += not refused(allowance)
    assert taken == pytest.approx(steps * step * rate, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0, 30)), max_size=50))
def test_a_refusal_says_when_there_is_enough_and_takes_nothing(demands: list[tuple[int, float]]) -> None:
    clock = Clock()
    allowance = Allowance(120, 60, burst=60, clock=clock)
    for units, pause in demands:
        if wait_ms := refused(allowance, units):
            clock.advance(wait_ms / 1000 + 0.001)  # it is read in whole milliseconds
            allowance.take(units)
        clock.advance(pause)


def test_what_no_waiting_helps_has_no_time_to_wait() -> None:
    with pytest.raises(RateLimitedError) as told:
        Allowance(120, 60, burst=60).take(61)
    assert told.value.code is ErrorCode.RATE_LIMITED
    assert told.value.details == {}


def test_setting_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    allowance = Allowance(1, 3600, burst=1)
    allowance.take()
    for jump in (86_400.0, -86_400.0):
        wall = time.time() + jump
        monkeypatch.setattr(time, "time", lambda wall=wall: wall)
        monkeypatch.setattr(time, "time_ns", lambda wall=wall: int(wall * 1e9))
        assert refused(allowance)


def test_an_open_microphone_is_never_refused() -> None:
    clock = Clock()
    allowance = audio_allowed(LimitsConfig(audio_seconds_per_minute=60), clock)
    for _ in range(60 * 60 * 10):
        clock.advance(0.1)
        allowance.take(100)


def test_the_longest_utterance_may_come_at_once() -> None:
    audio_allowed(LimitsConfig(audio_seconds_per_minute=60, max_audio_seconds=300)).take(300_000)


def test_a_minutes_turns_may_come_at_once_and_then_one_by_one() -> None:
    allowance = turns_allowed(LimitsConfig(turns_per_minute=20))
    for _ in range(20):
        allowance.take()
    assert 0 < refused(allowance) <= 3000
