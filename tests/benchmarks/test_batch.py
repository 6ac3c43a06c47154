import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.benchmarks import batch
from tests.benchmarks.places import Place
from tests.benchmarks.spoken import Utterance
from tests.media import tone


@pytest.mark.models
@pytest.mark.timeout(120)  # faster-whisper takes seconds for each where others work too
async def test_utterances_are_heard_together_and_one_by_one(cache: Path, no_gpu: None) -> None:
    result = await batch.run(times=1, lengths=(1, 2, 3), sentences=4)
    [row] = result.rows
    assert row.what == "3 utterances, until the last is done"
    assert len(row.ours) == len(row.yardstick) == 1
    assert [check.what.split(":")[0] for check in result.checks] == ["none starved", "all hear the same words"]
    assert result.checks[1].met
    assert "skipped: no CUDA device was found" in result.table()
    together = {cells[1].strip(): float(cells[2]) for cells in map(_cells, result.details.splitlines()[2:])}
    assert list(together) == ["spectrograms", "encoder", "decoder", "the rest"]
    assert min(together.values()) >= 0
    assert sum(together.values()) == pytest.approx(row.ours[0], abs=2)  # each is rounded


async def test_a_gpu_has_rows_of_its_own(cuda: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Place] = []

    @asynccontextmanager
    async def transcriber(place: Place) -> AsyncIterator[Any]:
        async def transcribe(*_: object) -> Any:
            heard.append(place)
            await asyncio.sleep(0)
            return SimpleNamespace(text="yes")

        yield SimpleNamespace(transcribe=transcribe)

    async def machines(_: int | None) -> Sequence[Utterance]:
        return [Utterance("yes", "en", "Piper", tone(1000))]

    monkeypatch.setattr(batch, "our_transcriber", transcriber)
    monkeypatch.setattr(batch, "machines", machines)
    result = await batch.run(times=1, lengths=(1, 2))
    assert list(dict.fromkeys(heard)) == cuda
    what = "2 utterances, until the last is done"
    assert [row.what for row in result.rows] == [what, f"{what}, base on CUDA", f"{what}, large-v3-turbo on CUDA"]
    assert len(result.checks) == 6
    assert result.details.count("The same, ") == 2
    assert not result.skipped


def _cells(line: str) -> list[str]:
    return line.split("|")
