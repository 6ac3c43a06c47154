import shutil

import pytest

from tests.benchmarks import decoding


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the yardstick needs ffmpeg")
async def test_each_container_is_decoded_by_both_sides() -> None:
    result = await decoding.run(times=1)
    assert [len(row.ours) for row in result.rows] == [len(row.yardstick) for row in result.rows] == [1] * 3
