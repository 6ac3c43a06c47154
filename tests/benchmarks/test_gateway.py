from tests.benchmarks import gateway


async def test_round_trips_and_openings_are_measured_on_both_sides() -> None:
    result = await gateway.run(scale=0.01)
    times = 2 * [50, 50, 10, 10, 10, 10, 10]
    assert [len(row.ours) for row in result.rows] == [len(row.yardstick) for row in result.rows] == times
