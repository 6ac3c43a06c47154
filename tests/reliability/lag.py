"""How late an event loop is, and what keeps it: the machine, or the process itself. Linux only: it reads /proc."""

import asyncio
import gc
import time
from asyncio.events import Handle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

TICK_SECONDS = 0.01
SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Of the thread that asks: nanoseconds on a processor, nanoseconds ready but without one, and how often."""


class LagWatch:
    """Wakes every 10 ms, and remembers by how much it was late at worst."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._worst_own = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        waited = _waited_for_a_processor()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            late, before, waited = loop.time() - due, waited, _waited_for_a_processor()
            self._worst = max(self._worst, late)
            self._worst_own = max(self._worst_own, late - (waited - before))

    def take(self) -> tuple[float, float]:
        """Give the worst since the last time, ms: all of it, and without what others kept the processors for."""
        worst, own = self._worst, self._worst_own
        self._worst = self._worst_own = 0.0
        return worst * 1000, own * 1000


class StepWatch:
    """Remembers the step of the event loop that took most of the processor: while it ran, nothing else could."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._step = ""

    def install(self) -> None:
        """Measure all steps of all loops of this process from now on."""
        run = Handle._run

        def measured(handle: Handle) -> None:
            before = time.thread_time()
            run(handle)
            if (seconds := time.thread_time() - before) > self._worst:
                self._worst, self._step = seconds, repr(handle)

        Handle._run = measured  # type: ignore[assignment, method-assign]  # the loop offers no hook around its steps

    def take(self) -> tuple[float, str]:
        """Give the worst since the last time, ms of processor time, and what it was."""
        worst, step = self._worst, self._step
        self._worst, self._step = 0.0, ""
        return worst * 1000, step


class CollectorWatch:
    """Remembers the garbage collection that took longest."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._begun = 0.0

    def install(self) -> None:
        """Measure all collections from now on."""
        gc.callbacks.append(self._measure)

    def take(self) -> float:
        """Give the worst since the last time, ms of processor time."""
        worst, self._worst = self._worst, 0.0
        return worst * 1000

    def _measure(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._begun = time.thread_time()
        else:
            self._worst = max(self._worst, time.thread_time() - self._begun)


def _waited_for_a_processor() -> float:
    """Tell how long this thread was ready to run and did not, seconds; 0 where the kernel does not count that."""
    with suppress(OSError):
        return int(SCHEDSTAT.read_text().split()[1]) / 1e9
    return 0.0
