"""Keeps a line that comes again and again from filling the log: it is written a few times, then counted for a while."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

WINDOW_SECONDS = 10.0
WRITTEN = 5
"""Of the same line in a window; what comes now and then is no flood."""
MOST_REMEMBERED = 1000
"""Different lines within a window; the oldest is forgotten first."""


class _Line:
    """A line that was written, and what was left out of the same kind since."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.written = 1
        self.repeated = 0
        self.last: logging.LogRecord | None = None


class Repeats:
    """Decides what is written. No thread and no clock of its own; debug lines always are.

    Lines are the same when logger, level, event and every field are. How often a line was left out stands in
    ``repeated`` of the last of them, which is written when the window is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: OrderedDict[int, _Line] = OrderedDict()
        """By what they say, in the order of their windows."""

    def take(self, record: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """Give what is to be written now that a record comes."""
        yield from self.over()
        if record.levelno <= logging.DEBUG:
            yield record
            return
        key = _key(record)
        if line := self._lines.get(key):
            if line.written < WRITTEN:
                line.written += 1
                yield record
            else:
                line.repeated += 1
                line.last = record
            return
        if len(self._lines) >= MOST_REMEMBERED:
            yield from self._forget_oldest()
        self._lines[key] = _Line(self._clock() + WINDOW_SECONDS)
        yield record

    def over(self) -> Iterator[logging.LogRecord]:
        """Give the last of the lines that were left out in windows that are over."""
        while self._lines and next(iter(self._lines.values())).until <= self._clock():
            yield from self._forget_oldest()

    def all(self) -> Iterator[logging.LogRecord]:
        """Give the last of all lines that were left out, at the end."""
        while self._lines:
            yield from self._forget_oldest()

    def _forget_oldest(self) -> Iterator[logging.LogRecord]:
        _, line = self._lines.popitem(last=False)
        if line.last is not None:
            vars(line.last)["repeated"] = line.repeated
            yield line.last


def _key(record: logging.LogRecord) -> int:
    """Tell lines apart by what they say, and an exception by its own words."""
    said = sorted(record.msg.items(), key=str) if isinstance(record.msg, dict) else record.getMessage()
    error = record.exc_info[1] if record.exc_info else None
    return hash((record.name, record.levelno, repr(said), repr(error)))
