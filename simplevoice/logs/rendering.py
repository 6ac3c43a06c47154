"""How a log record looks: JSON off a terminal, coloured lines on one, and with its priority where journald reads.

Nothing of it can move a terminal's cursor or change its colours but what is put there here: clients' words are shown.
"""

import io
import logging
import os
import re
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from simplevoice.config import LoggingConfig
from simplevoice.logs.masking import mask
from simplevoice.logs.queued import LosingHandler

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, also the eight-bit ones that some terminals obey, and those that reorder what is shown."""

PRIORITIES, DEBUG_PRIORITY = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}, 7
"""Those of syslog, from the worst down (sd-daemon(3))."""


def stream_handler(stream: TextIO, config: LoggingConfig) -> logging.Handler:
    """Make a handler that writes to the stream in the format that is configured, or that suits it."""
    handler = LosingHandler(stream)
    console = config.format == "console" or (config.format == "auto" and stream.isatty())
    render = _console(stream) if console else _json()
    # All run in the writer's thread, so that rendering costs the event loop nothing.
    formatter: logging.Formatter = structlog.stdlib.ProcessorFormatter(
        processors=[_stamp, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
    )
    handler.setFormatter(JournalFormatter(formatter) if _is_journal(stream) else formatter)
    return handler


class JournalFormatter(logging.Formatter):
    """Puts the priority before each line, for ``journalctl -p warning``."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Format the record's lines."""
        priority = next((number for level, number in PRIORITIES.items() if record.levelno >= level), DEBUG_PRIORITY)
        return "\n".join(f"<{priority}>{line}" for line in self._formatter.format(record).split("\n"))


def _is_journal(stream: TextIO) -> bool:
    """Tell whether journald is at the other end, by the file that systemd says is its (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # a stream without a file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put when, how bad and where from in front, as the record knows it, and how often it came behind."""
    record: logging.LogRecord = event["_record"]
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    head: EventDict = {
        "timestamp": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event["event"],
    }
    repeated = vars(record).get("repeated")
    return {**head, **event, **head, **({"repeated": repeated} if repeated else {})}


def _json() -> list[Processor]:
    # Local variables of a traceback could hold what was said, or a key.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(ensure_ascii=False),
        _escape_json,
        mask,
    ]


def _escape_json(_: WrappedLogger, __: str, line: Any) -> str:
    """Escape what JSON would let through."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _console(stream: TextIO) -> list[Processor]:
    render = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=_traceback, sort_keys=False, pad_event_to=0, pad_level=False
    )
    return [_escape_values, _time_of_day, render, mask]


def _time_of_day(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Leave of the time what somebody needs who looks on: hours to seconds, as the clock of the machine has them."""
    at = datetime.fromisoformat(event["timestamp"]).astimezone()
    return {**event, "timestamp": f"{at:%H:%M:%S}"}


def _escape_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape texts; everything else is shown by its repr, which escapes them too."""
    return {name: _escape(value) if isinstance(value, str) else value for name, value in event.items()}


def _escape(text: str) -> str:
    return UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def _traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback with an exception's own words made safe, line by line."""
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    out.write("\n".join(_escape(line) for line in plain.getvalue().split("\n")))
