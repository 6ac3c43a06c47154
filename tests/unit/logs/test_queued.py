"""The thread that writes."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from simplevoice.logs import queued, repeats
from simplevoice.logs.queued import LosingHandler, QueuedHandler
from simplevoice.logs.repeats import WRITTEN


class Gate(logging.Handler):
    """A handler that takes its first record only when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[logging.LogRecord] = []
        self.entered = threading.Event()
        self.open = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.entered.set()
        self.open.wait(10)
        self.taken.append(record)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "x.py", 1, text, None, None)


def test_what_does_not_fit_is_dropped_counted_and_told() -> None:
    gate = Gate()
    handler = QueuedHandler(gate, capacity=2)
    handler.handle(record("first"))
    assert gate.entered.wait(10)
    for number in range(5):
        handler.handle(record(str(number)))
    gate.open.set()
    handler.close()
    assert [r.msg for r in gate.taken] == ["first", "0", "1", {"event": "log_records_dropped", "count": 3}]


def test_close_gives_up_on_a_stream_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "CLOSE_SECONDS", 0.01)
    gate = Gate()
    handler = QueuedHandler(gate, capacity=1)
    handler.handle(record("first"))
    assert gate.entered.wait(10)
    handler.close()
    gate.open.set()


def test_repeats_are_counted_and_told_at_the_end() -> None:
    gate = Gate()
    gate.open.set()
    handler = QueuedHandler(gate, capacity=100)
    for _ in range(WRITTEN + 4):
        handler.handle(record("again"))
    handler.close()
    assert [vars(r).get("repeated") for r in gate.taken] == [*[None] * WRITTEN, 4]


def test_repeats_are_told_also_when_nothing_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "WINDOW_SECONDS", 0.001)
    monkeypatch.setattr(repeats, "WINDOW_SECONDS", 0.001)
    told = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if vars(record).get("repeated"):
                told.set()

    handler = QueuedHandler(Listener(), capacity=10_000)
    for _ in range(1000):
        handler.handle(record("again"))
    assert told.wait(10)
    handler.close()


@pytest.fixture(params=["full disk", "closed pipe"])
def broken_stream(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """A stream that fails at every write, with a buffer that fails again when it is closed."""
    if request.param == "full disk":
        writer = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, writer = os.pipe()
        os.close(reader)
    stream = os.fdopen(writer, "w")
    yield stream
    with suppress(OSError):
        stream.close()


def test_a_stream_that_breaks_stops_nobody(broken_stream: TextIO, capsys: pytest.CaptureFixture[str]) -> None:
    handler = QueuedHandler(LosingHandler(broken_stream), capacity=10)
    for number in range(3):
        handler.handle(record(str(number)))
    handler.close()
    assert not handler._thread.is_alive()
    assert capsys.readouterr().err == "", "there is nowhere to tell it"
