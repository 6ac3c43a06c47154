"""Where the daemon stands between its start and its end."""

import time
from typing import Literal

from simplevoice.service import ServiceHealth

Phase = Literal["starting", "running", "draining"]


class Lifecycle:
    """The phase of the daemon, and since when it runs."""

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self._started = time.monotonic()

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def why_not_ready(self, health: ServiceHealth) -> str | None:
        """Tell why no turn could be run now; None when one could."""
        if self.phase != "running":
            return self.phase
        return f"not ready: {', '.join(health.broken)}" if health.broken else None
