from tests.benchmarks import idle


async def test_connections_are_held_by_both_sides() -> None:
    result = await idle.run(idle=100, held=100, times=1, seconds=0.1)
    (check,) = result.checks
    assert [(len(row.ours), len(row.yardstick)) for row in result.rows] == [(1, 1)] * 2
    assert check.met
    assert check.found.startswith("100 alive")
