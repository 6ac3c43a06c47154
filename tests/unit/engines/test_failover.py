import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from simplevoice.engines import failover
from simplevoice.engines.engine import Engine, EngineHealth, EngineState
from simplevoice.engines.failover import Failover
from simplevoice.errors import BusyError, EngineError, WeightsUnavailableError


class LocalError(EngineError):
    """Loading the engine anew heals it."""


class Worker(Engine):
    """Does as ``outcomes`` say, one a call, and works when they are used up."""

    def __init__(self, name: str, *outcomes: Exception) -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.missing: Exception | None = None
        self.state: EngineState = "stopped"
        self.calls: list[str] = []
        self.pools: Sequence[Executor] = ()

    @property
    def workers(self) -> Sequence[Executor]:
        return self.pools

    async def load(self) -> None:
        self.calls.append("load")
        self.outcomes = [outcome for outcome in self.outcomes if not isinstance(outcome, LocalError)]
        if self.missing:
            self.state = "failed"
            raise self.missing
        self.state = "ready"

    async def warm_up(self) -> None:
        self.calls.append("warm_up")
        await self.work()

    async def release(self) -> None:
        self.calls.append("release")

    async def close(self) -> None:
        self.calls.append("close")
        self.state = "stopped"

    def health(self) -> EngineHealth:
        return EngineHealth(self.name, self.state)

    async def work(self) -> str:
        self.calls.append("work")
        if self.outcomes:
            raise self.outcomes.pop(0)
        return self.name


class Workers(Failover[Worker]):
    async def ask(self) -> str:
        member, answer = await self._ask(lambda worker: worker.work(), "en")
        member.guard.succeed()
        return answer

    async def _try(self, engine: Worker) -> None:
        await engine.work()


@asynccontextmanager
async def working(*workers: Worker, failures: int = 2, retry_seconds: float = 3600.0) -> AsyncIterator[Workers]:
    house = Workers(workers, failures, retry_seconds)
    await house.load()
    yield house
    await house.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def back(house: Workers) -> None:
    async with asyncio.timeout(5):
        while house.health().breaker != "closed":
            await asyncio.sleep(0)


def works(worker: Worker) -> int:
    return worker.calls.count("work")


async def test_the_first_works_while_it_can() -> None:
    first, second = Worker("first"), Worker("second")
    async with working(first, second) as house:
        assert await house.ask() == "first"
        assert works(second) == 0
        health = house.health()
        assert (health.engine, health.state, health.breaker, health.active) == ("first", "ready", "closed", None)
        assert [fallback.engine for fallback in health.fallbacks] == ["second"]


async def test_the_next_one_takes_over_and_a_dead_one_costs_no_time_any_more() -> None:
    first, second = Worker("first", *[EngineError("no answer")] * 5), Worker("second")
    async with working(first, second) as house:
        for _ in range(4):
            assert await house.ask() == "second"
        assert works(first) == 2
        health = house.health()
        assert (health.state, health.breaker, health.active) == ("degraded", "open", "second")
        assert (house.name, house.engine_for("en")) == ("first", "second")
        assert health.detail == "no answer; second in its place"


async def test_a_quick_failure_that_passes_is_tried_again() -> None:
    first, second = Worker("first", EngineError("reset", retry_in=0.0)), Worker("second")
    async with working(first, second, failures=1) as house:
        assert await house.ask() == "first"
        assert house.health().breaker == "closed"


@pytest.mark.parametrize("retry_in", [None, failover.QUICK_SECONDS + 0.1])
async def test_what_does_not_pass_soon_is_not_tried_again(retry_in: float | None) -> None:
    first, second = Worker("first", EngineError("no", retry_in=retry_in)), Worker("second")
    async with working(first, second) as house:
        assert await house.ask() == "second"
        assert works(first) == 1


async def test_what_failed_late_is_not_tried_again() -> None:
    now = 0.0
    worker = Worker("first")

    async def fail_late() -> str:
        nonlocal now
        worker.calls.append("work")
        now += failover.QUICK_SECONDS + 0.1
        raise EngineError("reset", retry_in=0.0)

    worker.work = fail_late  # type: ignore[method-assign]
    house = Workers([worker], 2, 30, clock=lambda: now)
    await house.load()
    with pytest.raises(EngineError, match="reset"):
        await house.ask()
    assert works(worker) == 1
    await house.close()


async def test_a_second_try_that_fails_too_counts_once() -> None:
    first = Worker("first", *[EngineError("reset", retry_in=0.0)] * 2)
    async with working(first, Worker("second"), failures=2) as house:
        assert await house.ask() == "second"
        assert house.health().breaker == "closed"


async def test_nobody_is_left_unasked() -> None:
    first, second = Worker("first", *[EngineError("one")] * 2), Worker("second", *[EngineError("two")] * 3)
    async with working(first, second, failures=1) as house:
        for _ in range(2):
            with pytest.raises(EngineError):
                await house.ask()
        assert house.health().breaker == "open"
        assert await house.ask() == "first"
        assert house.health().breaker == "closed"


async def test_alone_it_is_asked_however_often_it_failed() -> None:
    alone = Worker("alone", *[EngineError("down")] * 5)
    async with working(alone) as house:
        for _ in range(5):
            with pytest.raises(EngineError, match="down"):
                await house.ask()
        assert (house.health().state, house.health().breaker) == ("degraded", "open")
        assert await house.ask() == "alone"
        assert (house.health().state, house.health().breaker) == ("ready", "closed")


async def test_probes_in_the_background_bring_the_first_one_back() -> None:
    first, second = Worker("first", EngineError("down"), EngineError("still")), Worker("second")
    async with working(first, second, failures=1, retry_seconds=0.001) as house:
        assert await house.ask() == "second"
        await back(house)
        assert works(first) == 3
        assert await house.ask() == "first"


async def test_probing_goes_on_when_somebody_converses_again() -> None:
    first, second = Worker("first", EngineError("down")), Worker("second")
    async with working(first, second, failures=1, retry_seconds=0.001) as house:
        assert await house.ask() == "second"
        await house.release()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert house.health().breaker == "open"
        assert await house.ask() == "second"
        await back(house)
        assert await house.ask() == "first"


async def test_one_that_died_is_loaded_anew_without_a_turn() -> None:
    first, second = Worker("first"), Worker("second")

    async def die() -> str:
        first.calls.append("work")
        first.state = "failed"
        raise EngineError("crashed")

    async with working(first, second, failures=3) as house:
        first.work = die  # type: ignore[method-assign]
        assert await house.ask() == "second"
        del first.work
        await back(house)
        assert first.calls.count("load") == 2
        assert await house.ask() == "first"


async def test_it_starts_without_one_that_cannot_be_loaded() -> None:
    first, second = Worker("first"), Worker("second")
    first.missing = WeightsUnavailableError("no network")
    async with working(first, second) as house:
        health = house.health()
        assert (health.state, health.active) == ("degraded", "second")
        assert await house.ask() == "second"
        assert works(first) == 0


async def test_it_does_not_start_with_none() -> None:
    house = Workers([Worker("first"), Worker("second")], 1, 30)
    for engine, _ in house._members:
        engine.missing = WeightsUnavailableError(f"no {engine.name}")
    with pytest.raises(WeightsUnavailableError, match="no first"):
        await house.load()
    assert house.health().state == "failed"


async def test_one_that_cannot_be_warmed_up_is_no_reason_not_to_start() -> None:
    first, second = Worker("first", EngineError("cold")), Worker("second")
    async with working(first, second, failures=1) as house:
        await house.warm_up()
        assert house.health().active == "second"
    alone = Worker("alone", EngineError("cold"))
    async with working(alone) as house:
        with pytest.raises(EngineError, match="cold"):
            await house.warm_up()


async def test_all_share_one_life_and_nobody_is_probed_when_nobody_converses() -> None:
    first, second = Worker("first", EngineError("down")), Worker("second")
    async with working(first, second, failures=1) as house:
        await house.ask()
        await house.release()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await house.ask() == "second"
    assert first.calls == ["load", "work", "release", "close"]
    assert second.calls == ["load", "work", "release", "work", "close"]


async def test_a_cancelled_call_is_no_failure() -> None:
    first = Worker("first")
    begun = asyncio.Event()

    async def hang() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    async with working(first, Worker("second"), failures=1) as house:
        first.work = hang  # type: ignore[method-assign]
        asking = asyncio.create_task(house.ask())
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert house.health().breaker == "closed"


async def test_one_of_this_process_that_may_be_broken_is_tried_and_loaded_anew_at_once() -> None:
    first, second = Worker("first"), Worker("second")
    first.pools = [ThreadPoolExecutor(1)]
    async with working(first, second, failures=3) as house:
        first.outcomes = [LocalError("no device", broken=True)] * 10
        assert await house.ask() == "second"
        assert house.health().breaker == "open", "a second turn need not find it out"
        await back(house)
        assert first.calls[1:] == ["work", "work", "close", "load", "work"]
        assert await house.ask() == "first"


async def test_who_only_seemed_to_be_broken_is_not_loaded_anew() -> None:
    first, second = Worker("first"), Worker("second")
    first.pools = [ThreadPoolExecutor(1)]
    async with working(first, second, failures=3) as house:
        first.outcomes = [EngineError("no memory for this", broken=True)]
        assert await house.ask() == "second"
        await back(house)
        assert first.calls == ["load", "work", "work"]


@pytest.mark.parametrize(("local", "loads"), [(True, [1, 2, 2, 3]), (False, [1, 1, 1, 1])])
async def test_what_loading_does_not_heal_is_not_loaded_again_soon(local: bool, loads: list[int]) -> None:
    now = 0.0
    worker = Worker("first")
    worker.pools = [ThreadPoolExecutor(1)] if local else []
    house = Workers([worker], 3, 30, clock=lambda: now)
    await house.load()
    counted = [worker.calls.count("load")]
    for moment in (0.0, failover.LOAD_ANEW_SECONDS / 2, failover.LOAD_ANEW_SECONDS):
        now = moment
        worker.outcomes = [EngineError("down")] * 2
        with pytest.raises(EngineError, match="down"):
            await house._probe(worker)
        counted.append(worker.calls.count("load"))
    assert counted == loads
    await house.close()


async def test_who_has_nobody_else_waits_for_one_that_is_being_loaded_anew() -> None:
    alone, loading, go_on = Worker("alone"), asyncio.Event(), asyncio.Event()
    alone.pools = [ThreadPoolExecutor(1)]
    load = alone.load

    async def load_slowly() -> None:
        loading.set()
        await go_on.wait()
        await load()

    async with working(alone) as house:
        alone.load = load_slowly  # type: ignore[method-assign]
        alone.outcomes = [LocalError("no device", broken=True)] * 10
        with pytest.raises(LocalError):
            await house.ask()
        await loading.wait()
        asking = asyncio.create_task(house.ask())
        await asyncio.sleep(0)
        assert works(alone) == 2
        go_on.set()
        assert await asking == "alone"


async def test_one_that_is_busy_is_not_broken() -> None:
    first = Worker("first", BusyError("full"), BusyError("full"), BusyError("full"))
    second = Worker("second")
    async with working(first, second, failures=1) as house:
        assert await house.ask() == "second"
        assert house.health().breaker == "closed"
        second.outcomes.append(BusyError("full too"))
        with pytest.raises(BusyError, match="full too"):
            await house.ask()
        second.outcomes.append(EngineError("broken"))
        with pytest.raises(EngineError, match="broken"):
            await house.ask()
        assert await house.ask() == "first"
