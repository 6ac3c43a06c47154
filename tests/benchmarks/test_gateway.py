from tests.benchmarks import gateway
from tests.benchmarks.gateway import Step, steps
from tests.benchmarks.watch import Span


async def test_round_trips_and_openings_are_measured_on_both_sides() -> None:
    result = await gateway.run(scale=0.01)
    times = 2 * [50, 50, 10, 10, 10, 10, 10]
    assert [len(row.ours) for row in result.rows] == [len(row.yardstick) for row in result.rows] == times
    assert "decoding" in result.details
    assert gateway.ANSWERED in result.details


def test_steps_are_told_with_the_pauses_between_them() -> None:
    spans = [Span("writing", 15.0, 16.0), Span("decoding", 11.0, 13.0), Span("writing", 12.0, 12.5)]
    assert steps(spans, sent=10.0) == {
        "decoding": Step(1.0, 2.0, 1.0),
        "writing": Step(2.0, 0.5, 0.0),
        "writing, again": Step(5.0, 1.0, 2.0),
    }
