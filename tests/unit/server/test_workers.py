import asyncio
import threading
from concurrent.futures import Executor, ThreadPoolExecutor

from simplevoice.server.workers import WorkerProbe


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def tried(pool: Executor) -> None:
    """Wait until a pool has done all that it was given."""
    await asyncio.get_running_loop().run_in_executor(pool, int)
    await asyncio.sleep(0)


async def test_a_pool_that_works_never_keeps_anybody_waiting() -> None:
    clock = Clock()
    with ThreadPoolExecutor(1) as pool:
        probe = WorkerProbe(lambda: [pool], clock)
        for _ in range(3):
            assert probe.longest_wait() == 0.0
            await tried(pool)
            clock.now += 100.0


async def test_a_stuck_pool_is_found_and_forgotten_when_it_goes_on() -> None:
    clock, stuck = Clock(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(stuck.wait)
        probe = WorkerProbe(lambda: [None, pool], clock)
        assert probe.longest_wait() == 0.0
        clock.now = 40.0
        assert probe.longest_wait() == 40.0
        stuck.set()
        await tried(pool)
        assert probe.longest_wait() == 0.0


async def test_a_pool_with_one_free_thread_is_not_stuck() -> None:
    clock, stuck = Clock(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(stuck.wait)
        probe = WorkerProbe(lambda: [pool], clock)
        probe.longest_wait()
        await tried(pool)
        clock.now = 40.0
        assert probe.longest_wait() == 0.0
        stuck.set()


async def test_pools_that_are_gone_are_not_waited_for() -> None:
    clock, stuck = Clock(), threading.Event()
    pools: list[Executor] = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
    pools[0].submit(stuck.wait)
    pools[1].shutdown()
    probe = WorkerProbe(lambda: pools, clock)
    probe.longest_wait()
    clock.now = 40.0
    unloaded = pools.pop(0)
    assert probe.longest_wait() == 0.0
    stuck.set()
    unloaded.shutdown()
