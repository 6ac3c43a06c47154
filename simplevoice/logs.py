"""Logs on standard error: structlog with the standard library's records bridged in, written by a thread of their own.

JSON off a terminal, coloured lines on one. Whoever logs only puts a record into a bounded queue and never waits for
the file; what does not fit is counted, and the count is logged.
"""

import logging
import queue
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from simplevoice.config import LoggingConfig

QUEUE_RECORDS = 10_000
CLOSE_SECONDS = 2.0

QUIET = (
    "asyncio",
    "edge_tts",
    "faster_whisper",
    "filelock",
    "fsspec",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "huggingface_hub",
    "openai",
    "piper",
    "pydub",
    "urllib3",
)
"""Libraries that tell at info what only their authors want to know, and at debug what was said, and with which key."""

OFF = ("aiohttp.access",)
"""One line a turn is logged instead, with the stage times."""

NO_FFMPEG = "Couldn't find ffmpeg or avconv"
"""pydub's warning about a program that is never run here: PyAV decodes."""


@contextmanager
def configure(config: LoggingConfig, stream: TextIO | None = None) -> Iterator[None]:
    """Log to ``stream``, standard error by default, as configured; at the end flush, and leave things as they were."""
    level = logging.getLevelNamesMapping()[config.level.upper()]
    quiet = dict.fromkeys(QUIET, max(level, logging.WARNING))
    levels = {"": level, **quiet, **dict.fromkeys(OFF, logging.CRITICAL + 1)}
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in levels}, root.handlers[:], structlog.get_config()
    handler = QueuedHandler(_stream_handler(sys.stderr if stream is None else stream, config), QUEUE_RECORDS)
    _set_levels(levels)
    root.handlers[:] = [handler]
    _configure_structlog(level)
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", NO_FFMPEG, RuntimeWarning)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        _set_levels(before[0])
        root.handlers[:] = before[1]
        structlog.configure(**before[2])
        handler.close()


def _set_levels(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class QueuedHandler(logging.Handler):
    """Hands records to ``target`` in a thread. Its queue holds ``capacity`` records; those that come then are lost."""

    def __init__(self, target: logging.Handler, capacity: int) -> None:
        super().__init__()
        self._target = target
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(capacity)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record, and after a loss how much was lost. Never blocks."""
        try:
            if self._dropped:
                self._queue.put_nowait(_loss(self._dropped))
                self._dropped = 0
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what is queued and stop; a stream that takes nothing is given up after CLOSE_SECONDS."""
        super().close()
        try:
            if self._dropped:
                self._queue.put(_loss(self._dropped), timeout=CLOSE_SECONDS)
                self._dropped = 0
            self._queue.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(CLOSE_SECONDS)

    def _write(self) -> None:
        while (record := self._queue.get()) is not None:
            self._target.handle(record)
        self._target.flush()


def _loss(count: int) -> logging.LogRecord:
    event = {"event": "log_records_dropped", "count": count}
    record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, event, None, None)
    vars(record).update(_logger=None, _name="warning")
    return record


def _configure_structlog(level: int) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _catch,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _stream_handler(stream: TextIO, config: LoggingConfig) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    console = config.format == "console" or (config.format == "auto" and stream.isatty())
    render = _console(stream) if console else _json()
    # All run in the writer's thread, so that rendering costs the event loop nothing.
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[_stamp, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
    )
    handler.setFormatter(formatter)
    return handler


def _stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put when, how bad and where from in front, as the record knows it."""
    record: logging.LogRecord = event["_record"]
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    head: EventDict = {
        "timestamp": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event["event"],
    }
    return {**head, **event, **head}


def _catch(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take hold of the exception being handled: the writer's thread handles none."""
    if event.get("exc_info") is True:
        event["exc_info"] = sys.exception()
    return event


def _json() -> list[Processor]:
    # Local variables of a traceback could hold what was said, or a key.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _console(stream: TextIO) -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    ]
