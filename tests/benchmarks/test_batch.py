from pathlib import Path

import pytest

from tests.benchmarks import batch


@pytest.mark.models
@pytest.mark.timeout(120)  # faster-whisper takes seconds for each where others work too
async def test_utterances_are_heard_together_and_one_by_one(cache: Path) -> None:
    result = await batch.run(times=1, lengths=(1, 2, 3), sentences=4)
    [row] = result.rows
    assert row.what == "3 utterances, until the last is done"
    assert len(row.ours) == len(row.yardstick) == 1
    assert [check.what.split(":")[0] for check in result.checks] == ["none starved", "all hear the same words"]
    assert result.checks[1].met
