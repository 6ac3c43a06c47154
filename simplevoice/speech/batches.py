"""Work for one thread that is cheaper together: what comes while it is busy is its next batch."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


class _Waiting(NamedTuple, Generic[Item, Found]):
    item: Item
    found: asyncio.Future[Found]


class Batches(Generic[Item, Found]):
    """Calls ``work`` with all that waits, in a thread of its own, and gives each caller what was found for its item.

    Nobody waits for a batch to fill: who is alone is served alone. For one event loop at a time.
    """

    def __init__(self, name: str, work: Callable[[Sequence[Item]], list[Found]]) -> None:
        self._name = name
        self._work = work
        self._waiting: list[_Waiting[Item, Found]] = []
        self._thread: ThreadPoolExecutor | None = None
        self._worker: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Found:
        """Wait for an item's turn and what was found. Raises what the work raised for its batch."""
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, found))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run(), name=self._name)
        return await found

    def close(self) -> None:
        """Let the thread end; who comes later starts another one."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    async def _run(self) -> None:
        self._thread = thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix=self._name)
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    results = await loop.run_in_executor(thread, self._work, [waiting.item for waiting in batch])
                except Exception as error:  # noqa: BLE001 - told to those who wait
                    for waiting in batch:
                        _settle(waiting.found, partial(waiting.found.set_exception, error))
                else:
                    for waiting, result in zip(batch, results, strict=True):
                        _settle(waiting.found, partial(waiting.found.set_result, result))
        finally:
            self._worker = None


def _settle(found: asyncio.Future[Found], tell: Callable[[], None]) -> None:
    """Tell who still waits; others were cancelled."""
    if not found.done():
        tell()
