"""Writes log records in a thread, so that whoever logs never waits for the file."""

import logging
import queue
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from simplevoice.logs.repeats import WINDOW_SECONDS, Repeats

CLOSE_SECONDS = 2.0


class LosingHandler(logging.StreamHandler[TextIO]):
    """Loses what its stream doesn't take: a full disk or a closed pipe stops nobody, and can be told nowhere."""

    def flush(self) -> None:
        """Give on what is buffered, or try again with the next record."""
        with suppress(OSError):
            super().flush()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Tell of records that can't be rendered only: those are mistakes in the program."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


class QueuedHandler(logging.Handler):
    """Hands records to ``target`` in a thread. Its queue holds ``capacity`` records; those that come then are lost."""

    def __init__(self, target: logging.Handler, capacity: int) -> None:
        super().__init__()
        self._target = target
        self._repeats = Repeats()
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(capacity)
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record, and after a loss how much was lost. Never blocks."""
        try:
            if self._dropped:
                self._queue.put_nowait(loss(self._dropped))
                self._dropped = 0
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what is queued and stop; a stream that takes nothing is given up after CLOSE_SECONDS."""
        super().close()
        try:
            if self._dropped:
                self._queue.put(loss(self._dropped), timeout=CLOSE_SECONDS)
                self._dropped = 0
            self._queue.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        while True:
            try:
                record = self._queue.get(timeout=WINDOW_SECONDS)
            except queue.Empty:
                self._write(self._repeats.over())
                continue
            if record is None:
                break
            self._write(self._repeats.take(record))
        self._write(self._repeats.all())
        self._target.flush()

    def _write(self, records: Iterable[logging.LogRecord]) -> None:
        for record in records:
            self._target.handle(record)


def loss(count: int) -> logging.LogRecord:
    """Make the record that tells of a loss."""
    event = {"event": "log_records_dropped", "count": count}
    record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, event, None, None)
    vars(record).update(_logger=None, _name="warning")
    return record
