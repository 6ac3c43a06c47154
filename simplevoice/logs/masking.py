"""Keeps tokens and tickets out of the log, whoever wrote the line: aiohttp quotes requests that it can't read."""

import re
from typing import Any

from structlog.typing import WrappedLogger

MASK = "***"
_SECRET = re.compile(r"(\b(?:token|ticket)=|\bsimplevoice\.token\.|\bbearer\s+)[^\s\"'\\&,;]+", re.IGNORECASE)


def mask(_: WrappedLogger, __: str, line: Any) -> str:
    """Mask, in a line as it will be written, what stands where requests carry a token or a ticket."""
    return _SECRET.sub(rf"\1{MASK}", line)
