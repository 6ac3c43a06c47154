from tests.benchmarks import edge


async def test_both_sides_speak_the_reply() -> None:
    result = await edge.run(times=1, cold_times=1)
    [row] = result.rows
    assert len(row.ours) == len(row.yardstick) == 1
    nearest = (edge.ROUND_TRIP_SECONDS * 2 + edge.PACE.first_audio_seconds) * 1000
    assert min(row.ours) > nearest, "nobody is faster than the network and the service"
