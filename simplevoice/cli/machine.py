"""Where something was measured, and what the daemon used of it."""

import os
import time
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from simplevoice.address import metrics_url
from simplevoice.cli.connecting import http_session
from simplevoice.cli.target import Target
from simplevoice.cli.watching import ANSWER_SECONDS, EngineView, read_status
from simplevoice.engines.cores import CORES

CPU = "process_cpu_seconds_total"
MEMORY = "process_resident_memory_bytes"


class Machine(msgspec.Struct, frozen=True):
    """The cores and load of this machine, the version and engines of the daemon."""

    cores: int
    load: float
    version: str
    engines: dict[str, EngineView]

    @property
    def words(self) -> list[str]:
        """Tell of the machine in a line, and of the daemon in another."""
        engines = "; ".join(f"{role} {_engine(engine)}" for role, engine in self.engines.items())
        return [f"this machine: {self.cores} cores, load {self.load:g}", f"daemon {self.version}: {engines}"]


class Use(msgspec.Struct, frozen=True):
    """What a daemon used: cores on average, and MiB at the end. ``grown_mib`` is how much more than at the start."""

    cores: float
    memory_mib: float
    grown_mib: float


class Usage:
    """Measures what a daemon uses between entering and leaving, by its own metrics; None where it doesn't show them."""

    def __init__(self, daemon: Target) -> None:
        self._daemon = daemon
        self.use: Use | None = None

    async def __aenter__(self) -> Self:
        self._before = await _process(self._daemon)
        self._since = time.perf_counter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._since
        if kind is None and self._before and (after := await _process(self._daemon)):
            cores, memory = (after[name] - self._before[name] for name in (CPU, MEMORY))
            self.use = Use(round(cores / seconds, 2), _mib(after[MEMORY]), _mib(memory))


async def machine_of(daemon: Target) -> Machine:
    """Look at this machine and the daemon. Raises ConnectionFailedError when no daemon answers."""
    status = await read_status(daemon)
    return Machine(CORES, round(os.getloadavg()[0], 2), status.version, status.service_health)


async def _process(daemon: Target) -> dict[str, float] | None:
    """Read the figures of the daemon's process; a proxy may keep them to itself, and not every system has them."""
    try:
        async with (
            http_session(daemon, timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.get(metrics_url(daemon.url), raise_for_status=True) as response,
        ):
            lines = (await response.text()).splitlines()
    except (aiohttp.ClientError, TimeoutError):
        return None
    figures = dict(line.split(" ", 1) for line in lines if line.startswith((CPU, MEMORY)))
    return {name: float(value) for name, value in figures.items()} if len(figures) == 2 else None


def _mib(count: float) -> float:
    return round(count / 2**20, 1)


def _engine(engine: EngineView) -> str:
    return " ".join(filter(None, (engine.active or engine.engine, engine.model, engine.device)))
