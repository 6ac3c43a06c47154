"""Which of llama's slots a reply is made in: the one that has read most of the conversation already."""

import asyncio
from collections.abc import Sequence

from simplevoice.llm import ChatMessage


class Slot:
    """One sequence of llama.cpp, and the messages that it has read last."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.messages: frozenset[ChatMessage] = frozenset()


class Slots:
    """A fixed number of slots, lent to one reply each."""

    def __init__(self, count: int) -> None:
        self._free = [Slot(number) for number in range(count)]
        """The one that was used longest ago comes first."""
        self._available = asyncio.Semaphore(count)
        self.waiting = 0
        """How many wait for a slot."""

    @property
    def unused(self) -> int:
        """How many have read nothing yet."""
        return sum(not slot.messages for slot in self._free)

    async def take(self, messages: Sequence[ChatMessage]) -> Slot:
        """Wait for a free slot: the one that knows most of the messages, else the one unused for longest."""
        self.waiting += 1
        try:
            await self._available.acquire()
        finally:
            self.waiting -= 1
        # What was said makes a conversation; the system prompt is the same in all.
        said = frozenset(messages[1:])
        slot = max(self._free, key=lambda free: len(said & free.messages))
        self._free.remove(slot)
        slot.messages = said
        return slot

    def give_back(self, slot: Slot) -> None:
        """Let the next reply have it."""
        self._free.append(slot)
        self._available.release()
