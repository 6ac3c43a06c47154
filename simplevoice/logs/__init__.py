"""Logs on standard error: structlog with the standard library's records bridged in, written by a thread of their own.

Whoever logs only puts a record into a bounded queue and never waits for the file; what does not fit is counted, and the
count is logged.
"""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from simplevoice.config import LoggingConfig
from simplevoice.logs.queued import QueuedHandler
from simplevoice.logs.rendering import stream_handler

QUEUE_RECORDS = 10_000

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

NOISY = ("opentelemetry",)
"""It warns of each try to reach its collector. That spans were lost it tells as an error."""

OFF = ("aiohttp.access",)
"""One line a turn is logged instead, with the stage times."""

NO_FFMPEG = "Couldn't find ffmpeg or avconv"
"""pydub's warning about a program that is never run here: PyAV decodes."""


@contextmanager
def configure(config: LoggingConfig, stream: TextIO | None = None) -> Iterator[None]:
    """Log to ``stream``, standard error by default, as configured; at the end flush, and leave things as they were."""
    root = logging.getLogger()
    before = root.handlers[:], structlog.get_config()
    handler = QueuedHandler(stream_handler(sys.stderr if stream is None else stream, config), QUEUE_RECORDS)
    root.handlers[:] = [handler]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            _catch,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    set_levels(config)
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", NO_FFMPEG, RuntimeWarning)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        _LEVELS.restore()
        root.handlers[:] = before[0]
        structlog.configure(**before[1])
        handler.close()


def set_levels(config: LoggingConfig) -> None:
    """Log what the settings want from now on; the format stays. For a daemon whose logging is configured."""
    level = _number(config.level)
    wanted = {
        "": level,
        **dict.fromkeys(QUIET, max(level, logging.WARNING)),
        **dict.fromkeys(NOISY, logging.ERROR),
        **dict.fromkeys(OFF, logging.CRITICAL + 1),
    }
    for item in config.levels:
        name, _, own = item.partition("=")
        wanted[name] = _number(own)
    _LEVELS.put(wanted)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(min(wanted.values())))


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


class _Levels:
    """The loggers whose levels are set, with those that they had before. Logging is one for the whole process."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def put(self, levels: dict[str, int]) -> None:
        """Set these levels, and no others."""
        for name in [name for name in self._before if name not in levels]:
            logging.getLogger(name).setLevel(self._before.pop(name))
        for name, level in levels.items():
            logger = logging.getLogger(name)
            self._before.setdefault(name, logger.level)
            logger.setLevel(level)

    def restore(self) -> None:
        """Set none."""
        self.put({})


_LEVELS = _Levels()


def _catch(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take hold of the exception being handled: the writer's thread handles none."""
    if event.get("exc_info") is True:
        event["exc_info"] = sys.exception()
    return event
