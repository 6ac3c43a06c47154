import pytest

from tests.benchmarks import starting


@pytest.mark.models
@pytest.mark.timeout(120)  # the first start of each compiles its libraries
async def test_both_are_started() -> None:
    result = await starting.run(times=1, version_times=1, warm_times=0)
    assert [(len(row.ours), len(row.yardstick)) for row in result.rows] == [(1, 1), (1, 1)]
    assert min(result.rows[0].ours) > 0
    assert "loading whisper" in result.details
