"""Two engines at the same text: who gives audio first, speaks."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Self

from simplevoice.errors import SpeechError
from simplevoice.tts import SpeechChunk


class Attempt:
    """A synthesis that was started, and whose first audio is awaited. Close it, whatever became of it.

    Iterating over it gives all audio from the first on, or raises SpeechError.
    """

    def __init__(self, stream: AsyncGenerator[SpeechChunk]) -> None:
        self._stream = stream
        self._begun = False
        self._first = asyncio.create_task(self._pull_first())

    @property
    def speaks(self) -> bool:
        """Whether it has given audio."""
        return self._first.done() and self.failure is None

    @property
    def failure(self) -> SpeechError | None:
        """Why it gave no audio; None while it may. Raises what is no SpeechError: that is a fault of the program."""
        error = self._first.exception() if self._first.done() and not self._first.cancelled() else None
        if error is None or isinstance(error, SpeechError):
            return error
        raise error

    async def speaks_within(self, seconds: float) -> bool:
        """Wait for the first audio, or for the failure, or for the time to pass."""
        await asyncio.wait({self._first}, timeout=seconds)
        return self.speaks

    async def speaks_before(self, other: "Attempt") -> bool:
        """Wait until one of both gives audio or both have failed, and tell whether this is the one that gave it."""
        pending = {self._first, other._first}
        while pending and not self.speaks and not other.speaks:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        return self.speaks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SpeechChunk:
        if self._begun:
            return await anext(self._stream)
        self._begun = True
        return await self._first

    async def close(self) -> None:
        """Stop the synthesis, wherever it is."""
        self._first.cancel()
        await asyncio.gather(self._first, return_exceptions=True)
        await self._stream.aclose()

    async def _pull_first(self) -> SpeechChunk:
        async for chunk in self._stream:
            return chunk
        raise SpeechError("the engine gave no audio")
