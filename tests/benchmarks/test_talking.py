from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simplevoice.cli.clips import Clip
from simplevoice.cli.latency_bench import Wire
from simplevoice.errors import ConnectionFailedError
from tests.benchmarks.talking import Side, daemon, english_clips, talk


@pytest.fixture
def clip() -> Clip:
    """Less than a second of speech."""
    first = english_clips()[0]
    return first._replace(pcm=first.pcm[:25_600])


async def test_everybody_is_answered_and_it_costs_something(clip: Clip) -> None:
    async with daemon("tests.reliability.server") as side:
        found = await talk(side, 2, [clip])
    assert (found.talkers, found.lost, len(found.waits)) == (2, 0, 2)
    assert min(found.waits) > 0
    assert found.cpu_seconds > 0


async def test_what_is_not_said_because_the_connection_broke_is_lost(clip: Clip) -> None:
    turns_left = 2  # the first warms everything up

    async with daemon("tests.reliability.server") as side:

        class Breaking:
            def __init__(self, wire: Wire) -> None:
                self.receive = wire.receive
                self._wire = wire

            async def send(self, message: object) -> None:
                nonlocal turns_left
                if type(message).__name__ == "ResetConversation":
                    if not turns_left:
                        raise ConnectionFailedError("the line broke")
                    turns_left -= 1
                await self._wire.send(message)  # type: ignore[arg-type]

        @asynccontextmanager
        async def connect() -> AsyncIterator[Wire]:
            async with side.connect() as wire:
                yield Breaking(wire)

        found = await talk(Side(side.url, side.pid, connect), 1, [clip, clip])
    assert (len(found.waits), found.lost) == (1, 1)
