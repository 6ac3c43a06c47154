from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.benchmarks import transcription
from tests.benchmarks.places import Place
from tests.benchmarks.recognizers import Heard
from tests.benchmarks.spoken import Utterance
from tests.media import tone


@pytest.mark.models
@pytest.mark.timeout(120)  # faster-whisper takes seconds for each where others work too
async def test_both_sides_hear_an_utterance_of_each_length(cache: Path, no_gpu: None) -> None:
    result = await transcription.run(times=1, lengths=(1, 3), sentences=2)
    [row] = result.rows
    assert len(row.ours) == len(row.yardstick) == 2
    assert row.what == "an utterance of 1 to 3 s"
    assert result.details.count("\n") == 4
    assert "skipped: no CUDA device was found" in result.table()


async def test_a_gpu_has_rows_of_its_own(cuda: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Place] = []

    @asynccontextmanager
    async def recognizers(place: Place) -> AsyncIterator[Any]:
        opened.append(place)

        async def hear(_: Utterance) -> Heard:
            return Heard("yes", 100.0 * len(opened))

        yield SimpleNamespace(ours=hear, stock=hear)

    monkeypatch.setattr(transcription, "recognizers", recognizers)
    monkeypatch.setattr(transcription, "machines", _nobody)
    result = await transcription.run(times=1, lengths=(1, 2))
    assert opened == cuda
    what = "an utterance of 1 to 2 s"
    assert [row.what for row in result.rows] == [what, f"{what}, base on CUDA", f"{what}, large-v3-turbo on CUDA"]
    assert [row.ours for row in result.rows] == [[100.0] * 2, [200.0] * 2, [300.0] * 2]
    assert result.details.count("The same, ") == 2
    assert not result.skipped


async def _nobody(_: int | None) -> list[Utterance]:
    return []


def test_what_one_voice_says_is_joined() -> None:
    said = [Utterance(text, "en", "Piper", tone(1000)) for text in "abc"]
    said.append(Utterance("d", "ar", "Piper", tone(1000)))
    joined = transcription.joined(said)
    assert [(u.text, u.seconds) for u in joined[4:]] == [("a b", 2.0), ("b c", 2.0)]
