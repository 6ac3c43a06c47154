import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from simplevoice.speech.batches import Batches


class Work:
    """Doubles numbers, a batch for each permit."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.seen: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.seen.append(list(numbers))
        assert self.permits.acquire(timeout=10)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


@pytest.fixture
async def batches() -> AsyncIterator[tuple[Batches[int, int], Work]]:
    work = Work()
    batches: Batches[int, int] = Batches("test", work)
    yield batches, work
    batches.close()


async def begun(work: Work, count: int) -> None:
    """Wait until so many batches have begun."""
    async with asyncio.timeout(10):
        while len(work.seen) < count:
            await asyncio.sleep(0)


async def test_what_comes_while_it_is_busy_is_the_next_batch(batches: tuple[Batches[int, int], Work]) -> None:
    add, work = batches[0].add, batches[1]
    first = asyncio.create_task(add(1))
    await begun(work, 1)
    others = [asyncio.create_task(add(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    work.permits.release(2)
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert work.seen == [[1], [2, 3, 4]]


async def test_a_failure_is_told_to_its_batch_only(batches: tuple[Batches[int, int], Work]) -> None:
    add, work = batches[0].add, batches[1]
    first = asyncio.create_task(add(13))
    await begun(work, 1)
    second = asyncio.create_task(add(2))
    work.permits.release(2)
    with pytest.raises(ValueError, match="13"):
        await first
    assert await second == 4


async def test_who_was_cancelled_holds_up_nobody(batches: tuple[Batches[int, int], Work]) -> None:
    add, work = batches[0].add, batches[1]
    first, second = asyncio.create_task(add(1)), asyncio.create_task(add(2))
    await begun(work, 1)
    first.cancel()
    work.permits.release()
    assert await second == 4
    assert first.cancelled()


async def test_the_thread_ends_and_another_one_begins(batches: tuple[Batches[int, int], Work]) -> None:
    for _ in range(2):
        batches[1].permits.release()
        assert await batches[0].add(1) == 2
        (thread,) = (thread for thread in threading.enumerate() if thread.name.startswith("test"))
        batches[0].close()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
    batches[0].close()
