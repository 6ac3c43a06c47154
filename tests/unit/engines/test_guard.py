import asyncio

from simplevoice.engines.breaker import Breaker
from simplevoice.engines.guard import Guard
from simplevoice.errors import EngineError


class Clock:
    """Time that passes only in sleeps, which end when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeping = asyncio.Event()
        self.wake = asyncio.Semaphore(0)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeping.set()
        await self.wake.acquire()
        self.sleeping.clear()
        self.now += seconds


class Service:
    """What is probed: each probe takes the next of ``outcomes``."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.probed = asyncio.Semaphore(0)

    async def probe(self) -> None:
        outcome = self.outcomes.pop(0)
        self.probed.release()
        if outcome:
            raise outcome


def make(clock: Clock, failures: int = 1) -> Guard:
    return Guard("service", Breaker(failures, 30, clock), sleep=clock.sleep)


def state(guard: Guard) -> str:
    """Read it anew each time: mypy takes a property for a constant."""
    return guard.state


async def closed(guard: Guard) -> None:
    async with asyncio.timeout(5):
        while state(guard) != "closed":
            await asyncio.sleep(0)


async def test_a_service_is_probed_until_it_is_back() -> None:
    clock, service = Clock(), Service(EngineError("still down"), ZeroDivisionError(), None)
    guard = make(clock)
    guard.fail(EngineError("down"), service.probe)
    assert (state(guard), guard.failure) == ("open", "down")
    for _ in range(3):
        await clock.sleeping.wait()
        clock.wake.release()
        await service.probed.acquire()
    await closed(guard)
    assert guard.failure is None
    assert clock.now == 90


async def test_nobody_is_probed_before_the_breaker_opens() -> None:
    clock, service = Clock(), Service()
    guard = make(clock, failures=2)
    guard.fail(EngineError("once"), service.probe)
    guard.succeed()
    guard.fail(EngineError("again"), service.probe)
    assert state(guard) == "closed"
    assert not clock.sleeping.is_set()


async def test_a_dead_service_is_left_alone_and_probed_at_once() -> None:
    clock, service = Clock(), Service(None)
    guard = make(clock, failures=3)
    guard.fail(EngineError("dead"), service.probe, dead=True)
    assert state(guard) == "open"
    await service.probed.acquire()
    await closed(guard)
    assert clock.now == 0


async def test_probing_rests_while_nobody_needs_the_service_and_goes_on_after() -> None:
    clock, service = Clock(), Service(None)
    guard = make(clock)
    guard.fail(EngineError("down"), service.probe)
    await clock.sleeping.wait()
    await guard.rest()
    assert state(guard) == "open"
    assert asyncio.all_tasks() == {asyncio.current_task()}
    clock.now = 1000
    guard.watch(service.probe)
    await service.probed.acquire()
    await closed(guard)


async def test_a_service_that_works_meanwhile_is_probed_no_more() -> None:
    clock, service = Clock(), Service()
    guard = make(clock)
    guard.fail(EngineError("down"), service.probe)
    await clock.sleeping.wait()
    guard.succeed()
    clock.wake.release()
    await guard.reset()
    assert state(guard) == "closed"
