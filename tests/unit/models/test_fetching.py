import asyncio
import threading

import pytest

from simplevoice.models.fetching import Fetching, watched


def ignore(done: int, total: int) -> None:
    """Report nothing."""


async def test_a_fetch_in_a_thread_is_followed() -> None:
    fetching, seen = Fetching(), list[tuple[str | None, int, int]]()

    def fetch() -> None:
        with watched("small", lambda done, total: seen.append((fetching.model, done, total))) as (report, stopped):
            report(3, 10)
            assert (fetching.done, fetching.total) == (3, 10)
            assert not stopped.is_set()

    with fetching.followed():
        await asyncio.to_thread(fetch)
    assert seen == [("small", 3, 10)]
    assert fetching.model is None


async def test_a_cancellation_stops_it() -> None:
    fetching, begun, told = Fetching(), threading.Event(), threading.Event()

    def fetch() -> None:
        with watched("small", ignore) as (_, stopped):
            begun.set()
            if stopped.wait(10):
                told.set()

    async def load() -> None:
        with fetching.followed():
            await asyncio.to_thread(fetch)

    loading = asyncio.create_task(load())
    while not begun.is_set():
        await asyncio.sleep(0)
    loading.cancel()
    await asyncio.wait([loading])
    assert await asyncio.to_thread(told.wait, 10)


def test_one_that_nobody_follows_is_never_stopped() -> None:
    fetching = Fetching()
    with pytest.raises(ZeroDivisionError), fetching.followed():
        raise ZeroDivisionError
    assert fetching.stopped.is_set()
    with watched("small", ignore) as (_, stopped):
        assert not stopped.is_set()
