from tests.benchmarks import idle


async def test_connections_are_held_by_both_sides() -> None:
    result = await idle.run(idle=100, held=100, times=1, seconds=0.1)
    (row,), (check,) = result.rows, result.checks
    assert len(row.ours) == len(row.yardstick) == 1
    assert check.met
    assert check.found.startswith("100 alive")
