"""Whether the threads that engines work in still take work."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple

Pool = Executor | None
"""A thread pool; None is the event loop's own."""


class _Trial(NamedTuple):
    done: asyncio.Future[None]
    begun: float


class WorkerProbe:
    """Gives every pool nothing to do, again and again, and sees whether that is ever done."""

    def __init__(self, pools: Callable[[], Iterable[Pool]], clock: Callable[[], float] = time.monotonic) -> None:
        self._pools = pools
        self._clock = clock
        self._trials: dict[Pool, _Trial] = {}

    def longest_wait(self) -> float:
        """Seconds that the slowest pool has not come to its latest trial; a pool that did is tried anew."""
        pools = set(self._pools())
        self._trials = {pool: trial for pool, trial in self._trials.items() if pool in pools and not trial.done.done()}
        for pool in pools - self._trials.keys():
            self._try(pool)
        return max((self._clock() - trial.begun for trial in self._trials.values()), default=0.0)

    def _try(self, pool: Pool) -> None:
        try:
            done = asyncio.get_running_loop().run_in_executor(pool, _nothing)
        except RuntimeError:  # shut down: its engine is being unloaded
            return
        self._trials[pool] = _Trial(done, self._clock())


def _nothing() -> None:
    return
