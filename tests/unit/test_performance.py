from simplevoice.performance import REMEMBERED, Percentiles, Performance
from simplevoice.protocol import Timings
from tests.unit.test_observation import report


def test_nothing_is_made_up_before_the_first_turn() -> None:
    performance = Performance()
    assert performance.turns == 0
    assert performance.response_time_ms == Percentiles(None, None)


def test_percentiles_are_of_turns_that_were() -> None:
    performance = Performance()
    for n in range(1, 101):
        performance.record(report(times=Timings(total=n, first_audio=n * 10)))
    assert performance.turns == 100
    assert performance.response_time_ms == Percentiles(50, 95)
    assert performance.first_audio_ms == Percentiles(500, 950)


def test_a_turn_without_a_first_audio_counts_as_a_turn() -> None:
    performance = Performance()
    performance.record(report(times=Timings(total=7)))
    assert performance.response_time_ms == Percentiles(7, 7)
    assert performance.first_audio_ms == Percentiles(None, None)


def test_only_the_last_turns_are_remembered() -> None:
    performance = Performance()
    for _ in range(REMEMBERED):
        performance.record(report(times=Timings(total=1)))
    for _ in range(REMEMBERED):
        performance.record(report(times=Timings(total=2)))
    assert performance.turns == 2 * REMEMBERED
    assert performance.response_time_ms == Percentiles(2, 2)


def test_only_answered_turns_count() -> None:
    performance = Performance()
    performance.record(report(outcome="failed", reason="REPLY_FAILED"))
    assert performance.turns == 0


def test_speeches_are_no_turns() -> None:
    performance = Performance()
    performance.record(report(kind="speech"))
    assert performance.turns == 0
