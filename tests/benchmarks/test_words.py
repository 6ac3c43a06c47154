from pathlib import Path

import msgspec
import pytest

from tests.benchmarks import words
from tests.benchmarks.recognizers import Heard
from tests.benchmarks.spoken import Utterance
from tests.benchmarks.words import Hearing, checks, error_rate
from tests.media import tone

SAID = Utterance("What time is it?", "en", "Piper", tone(1000))


def test_words_are_counted_without_case_and_punctuation() -> None:
    assert error_rate([SAID], ["what TIME is it"]) == 0
    assert error_rate([SAID, SAID], ["what time is it", "what time was"]) == 25


@pytest.mark.parametrize(
    ("ours", "stock", "met"),
    [
        ("what time is it", "what time is it", [True, True]),
        ("what time is", "what time is it", [False, True]),
        ("what time is", "what is", [True, True]),
        ("no " * 9, "no " * 9, [True, False]),
    ],
)
def test_what_has_to_be_so(ours: str, stock: str, met: list[bool]) -> None:
    assert [check.met for check in checks([Hearing(SAID, Heard(ours, 1.0), Heard(stock, 1.0))])] == met


def test_each_sort_of_speech_has_its_line() -> None:
    right, wrong = Heard("what time is it", 1.0), Heard("what", 1.0)
    noisy = msgspec.structs.replace(SAID, noisy=True)
    lines = words.table_of([Hearing(SAID, right, wrong), Hearing(noisy, wrong, right)]).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["English, Piper", "1", "4", "0.0", "75.0"]
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == [
        "English, Piper, noise at 10 dB", "1", "4", "75.0", "0.0",
    ]  # fmt: skip


@pytest.mark.models
@pytest.mark.timeout(120)  # faster-whisper takes seconds for each where others work too
async def test_both_sides_hear_all(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "people", list)
    result = await words.run(sentences=1)
    [row] = result.rows
    assert len(row.ours) == len(row.yardstick) == 2
    assert row.ratio == max(row.ours) / max(row.yardstick)
