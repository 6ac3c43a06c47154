"""So many pieces of speech are made at once; of those that wait, the one that will be needed first is next.

Whoever has just begun to speak is needed at once. What follows is needed when the sound before it was played, and so
waits for others without being missed.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Urgency:
    """A number of places, for tasks of one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        """Of those that are needed at one moment, who came first goes first."""

    @asynccontextmanager
    async def place(self, due: float) -> AsyncIterator[None]:
        """Hold a place; it is given to those first whose work is due first, by the loop's clock."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(due)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, due: float) -> None:
        given = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, next(self._order), given))
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():  # it was given in the moment in which nobody wanted it any more
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, given = heapq.heappop(self._waiting)
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
