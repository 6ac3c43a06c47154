from pathlib import Path

import pytest

from tests.benchmarks import transcription
from tests.benchmarks.spoken import Utterance
from tests.media import tone


@pytest.mark.models
@pytest.mark.timeout(120)  # faster-whisper takes seconds for each where others work too
async def test_both_sides_hear_an_utterance_of_each_length(cache: Path) -> None:
    result = await transcription.run(times=1, lengths=(1, 3), sentences=2)
    [row] = result.rows
    assert len(row.ours) == len(row.yardstick) == 2
    assert row.what == "an utterance of 1 to 3 s"
    assert result.details.count("\n") == 4


def test_what_one_voice_says_is_joined() -> None:
    said = [Utterance(text, "en", "Piper", tone(1000)) for text in "abc"]
    said.append(Utterance("d", "ar", "Piper", tone(1000)))
    joined = transcription.joined(said)
    assert [(u.text, u.seconds) for u in joined[4:]] == [("a b", 2.0), ("b c", 2.0)]
