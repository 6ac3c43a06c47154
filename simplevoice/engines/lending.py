"""Lends engines to turns. One that is replaced is closed behind the last turn that works with it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from simplevoice.engines.engine import Engine


class Lending:
    """Who works with which engine, and the engines that are only waiting for that to end."""

    def __init__(self) -> None:
        self._turns: Counter[Engine] = Counter()
        self._replaced: set[Engine] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @contextmanager
    def lend(self, engines: Iterable[Engine]) -> Iterator[None]:
        """Keep engines open for one turn."""
        lent = list(engines)
        self._turns.update(lent)
        try:
            yield
        finally:
            self._turns -= Counter(lent)
            self._close_unused()

    def replace(self, engine: Engine) -> None:
        """Close an engine that no further turn will get, now or behind the last turn that has it."""
        self._replaced.add(engine)
        self._close_unused()

    async def close(self) -> None:
        """Close what was replaced, whoever works with it, and wait until that is done."""
        self._turns.clear()
        self._close_unused()
        if self._closing:
            await asyncio.wait(self._closing)

    def _close_unused(self) -> None:
        for engine in {engine for engine in self._replaced if not self._turns[engine]}:
            self._replaced.remove(engine)
            task = asyncio.create_task(engine.close(), name=f"close {engine.name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
