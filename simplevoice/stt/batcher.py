"""Several jobs in one go of a model: what came while it was busy is worked on together as soon as it is free.

A job that finds the model idle is begun at once, so that nobody waits for others who may never come. The oldest job is
in the next batch always; with it go those behind it that are of its kind, for only those can share a batch. A call has
one job here at a time, as it has one place in the turnstile: nobody gets more of the model by having more to say.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from functools import partial
from statistics import fmean
from typing import Generic, TypeVar

import structlog

from simplevoice.errors import BusyError

log = structlog.get_logger(__name__)

REMEMBERED = 32
"""Batches by whose duration it is estimated how long a job has to wait."""

Job = TypeVar("Job")
Result = TypeVar("Result")

Work = Callable[[Sequence[Job], threading.Event], Sequence[Result]]
"""Works on jobs of one kind, in a thread. The event is set when nobody wants any of them: it may then raise."""


class _Request(Generic[Job, Result]):
    """A job, and who awaits its result."""

    def __init__(self, job: Job, kind: Hashable, result: asyncio.Future[Result]) -> None:
        self.job = job
        self.kind = kind
        self.result = result


class Batcher(Generic[Job, Result]):
    """A queue before a model, for calls on one event loop.

    ``workers`` batches of at most ``most`` jobs are at work at once, each in a thread of ``threads``.
    """

    def __init__(
        self,
        work: Work[Job, Result],
        kind: Callable[[Job], Hashable],
        threads: Executor,
        *,
        workers: int,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._kind = kind
        self._threads = threads
        self._workers = workers
        self._most = most
        self._clock = clock
        self._queue: deque[_Request[Job, Result]] = deque()
        self._working = 0
        self._seconds_a_job: deque[float] = deque(maxlen=REMEMBERED)
        self._beginning: asyncio.Handle | None = None
        self._closed: Exception | None = None

    @property
    def waiting(self) -> int:
        """How many jobs have not been begun."""
        return len(self._queue)

    def admit(self, seconds: float) -> None:
        """Raise BusyError where one more job is not expected to begin within some seconds."""
        wait = self._estimate_wait()
        if wait > seconds:
            details = {"retry_after_ms": math.ceil((wait - seconds) * 1000)}
            raise BusyError(f"{self.waiting} wait for the model already", details=details)

    async def submit(self, job: Job) -> Result:
        """Work on a job, in a batch. Raises what the work raised. Cancelled before it is begun, it never will be."""
        if self._closed is not None:
            raise self._closed
        request = _Request[Job, Result](job, self._kind(job), asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self._begin_soon()
        try:
            return await request.result
        finally:
            if request in self._queue:
                self._queue.remove(request)

    def close(self, error: Exception) -> None:
        """Fail what waits and what still comes. What is at work is brought to its end."""
        self._closed = error
        for request in self._queue:
            if not request.result.done():
                request.result.set_exception(error)
        self._queue.clear()

    def _estimate_wait(self) -> float:
        """Estimate the seconds until what comes now is begun, from how long the last batches took."""
        if not self._seconds_a_job:
            return 0.0
        return self.waiting * fmean(self._seconds_a_job) / self._workers

    def _begin_soon(self) -> None:
        """Begin when all have had their say who are about to: what arrives together is one batch."""
        if self._beginning is None:
            self._beginning = asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._beginning = None
        self._queue = deque(request for request in self._queue if not request.result.done())
        while self._queue and self._working < self._workers:
            self._start(self._next_batch())

    def _next_batch(self) -> list[_Request[Job, Result]]:
        """Take the oldest job, and with it those of its kind, in their order."""
        kind = self._queue[0].kind
        batch = [request for request in self._queue if request.kind == kind][: self._most]
        for request in batch:
            self._queue.remove(request)
        return batch

    def _start(self, batch: list[_Request[Job, Result]]) -> None:
        self._working += 1
        abandoned = threading.Event()
        unwanted = 0

        def count_unwanted(result: asyncio.Future[Result]) -> None:
            nonlocal unwanted
            unwanted += result.cancelled()
            if unwanted == len(batch):
                abandoned.set()

        for request in batch:
            request.result.add_done_callback(count_unwanted)
        job = asyncio.get_running_loop().run_in_executor(
            self._threads, self._work, [request.job for request in batch], abandoned
        )
        job.add_done_callback(partial(self._end, batch, self._clock()))

    def _end(self, batch: list[_Request[Job, Result]], begun: float, job: asyncio.Future[Sequence[Result]]) -> None:
        """Hand out what came of a batch. Where several failed, each is tried alone: the fault may be of one of them."""
        self._working -= 1
        wanted = [request for request in batch if not request.result.done()]
        error = job.exception()
        if error is None:
            self._seconds_a_job.append((self._clock() - begun) / len(batch))
            for request, result in zip(batch, job.result(), strict=True):
                if not request.result.done():
                    request.result.set_result(result)
        elif len(batch) > 1 and wanted and self._closed is None:
            log.warning("batch_failed", jobs=len(batch), problem=str(error))
            for request in wanted:
                request.kind = object()  # like nobody else's
            self._queue.extendleft(reversed(wanted))
        else:
            for request in wanted:
                request.result.set_exception(error)
        self._begin()
