import logging

import pytest

from simplevoice.logs import repeats
from simplevoice.logs.repeats import WINDOW_SECONDS, Repeats


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write one line of a kind, but where a test says something else."""
    monkeypatch.setattr(repeats, "WRITTEN", 1)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def record(event: str, level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    return logging.LogRecord("x", level, "x.py", 1, {"event": event, **fields}, None, None)


def told(records: object) -> list[tuple[str, int]]:
    """The events that are written, each with how often it was left out before."""
    assert hasattr(records, "__iter__")
    return [(r.msg["event"], vars(r).get("repeated", 0)) for r in records]


def test_the_same_line_is_written_once_in_a_window_and_then_with_its_count() -> None:
    clock = Clock()
    seen = Repeats(clock)
    assert told(seen.take(record("lost", problem="x"))) == [("lost", 0)]
    for _ in range(3):
        assert told(seen.take(record("lost", problem="x"))) == []
    clock.now += WINDOW_SECONDS
    assert told(seen.take(record("other"))) == [("lost", 3), ("other", 0)]
    assert told(seen.take(record("lost", problem="x"))) == [("lost", 0)]


def test_a_line_that_did_not_come_again_is_not_told_again() -> None:
    clock = Clock()
    seen = Repeats(clock)
    assert told(seen.take(record("lost"))) == [("lost", 0)]
    clock.now += WINDOW_SECONDS
    assert told(seen.over()) == []


@pytest.mark.parametrize(
    "other",
    [
        record("lost", problem="y"),
        record("found", problem="x"),
        record("lost", logging.ERROR, problem="x"),
        record("lost", problem="x", turn_id="t"),
    ],
)
def test_what_differs_in_anything_is_another_line(other: logging.LogRecord) -> None:
    seen = Repeats(Clock())
    assert told(seen.take(record("lost", problem="x"))) == [("lost", 0)]
    assert len(list(seen.take(other))) == 1


def test_exceptions_differ_by_their_words() -> None:
    seen = Repeats(Clock())
    written = []
    for text in ("one", "one", "two"):
        failure = record("crashed", exc_info=RuntimeError(text))
        plain = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "crashed", None, (RuntimeError, RuntimeError(text), None)
        )
        written.append((len(list(seen.take(failure))), len(list(seen.take(plain)))))
    assert written == [(1, 1), (0, 0), (1, 1)]


def test_debug_lines_are_all_written() -> None:
    seen = Repeats(Clock())
    assert [len(list(seen.take(record("step", logging.DEBUG)))) for _ in range(3)] == [1, 1, 1]


def test_the_rest_is_told_at_the_end() -> None:
    seen = Repeats(Clock())
    for _ in range(3):
        list(seen.take(record("lost")))
    assert told(seen.all()) == [("lost", 2)]
    assert told(seen.all()) == []


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_REMEMBERED", 2)
    seen = Repeats(Clock())
    list(seen.take(record("first")))
    list(seen.take(record("first")))
    list(seen.take(record("second")))
    assert told(seen.take(record("third"))) == [("first", 1), ("third", 0)]
    assert told(seen.take(record("first"))) == [("first", 0)]


def test_what_comes_now_and_then_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "WRITTEN", 3)
    clock = Clock()
    seen = Repeats(clock)
    assert [len(list(seen.take(record("lost")))) for _ in range(5)] == [1, 1, 1, 0, 0]
    clock.now += WINDOW_SECONDS
    assert told(seen.over()) == [("lost", 2)]
