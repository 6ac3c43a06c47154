import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.errors import BusyError, TranscriptionError
from simplevoice.stt.batcher import Batcher
from tests.fakes.threads import SteppingThreads


class Model:
    """Says each job in capitals; a job ``poison`` spoils its batch. Jobs of one first letter are of a kind."""

    def __init__(self, workers: int = 1, most: int = 8) -> None:
        self.threads = SteppingThreads()
        self.batches: list[list[str]] = []
        self.abandoned: list[bool] = []
        self.now = 0.0
        self.batcher = Batcher[str, str](
            self.work, lambda job: job[0], self.threads, workers=workers, most=most, clock=lambda: self.now
        )

    def work(self, jobs: Sequence[str], abandoned: threading.Event) -> list[str]:
        self.batches.append(list(jobs))
        self.abandoned.append(abandoned.is_set())
        self.now += 1
        if abandoned.is_set():
            raise TranscriptionError("nobody wants it")
        if "poison" in jobs:
            raise RuntimeError("out of memory")
        return [job.upper() for job in jobs]

    def ask(self, *jobs: str) -> list[asyncio.Task[str]]:
        return [asyncio.create_task(self.batcher.submit(job), name=job) for job in jobs]

    async def step(self) -> None:
        self.threads.step()
        await rest()

    async def finish(self) -> None:
        await rest()
        while self.threads.busy:
            await self.step()


async def rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_alone_is_begun_at_once() -> None:
    model = Model()
    (call,) = model.ask("a")
    await rest()
    assert model.threads.busy == 1
    assert model.batcher.waiting == 0
    await model.step()
    assert await call == "A"


async def test_what_arrives_together_is_one_batch() -> None:
    model = Model()
    calls = model.ask("a1", "a2", "a3")
    await model.finish()
    assert model.batches == [["a1", "a2", "a3"]]
    assert [await call for call in calls] == ["A1", "A2", "A3"]


async def test_what_comes_meanwhile_is_the_next_batch() -> None:
    model = Model()
    model.ask("a1")
    await rest()
    for job in ("a2", "a3"):
        model.ask(job)
        await rest()
    assert model.batcher.waiting == 2
    await model.finish()
    assert model.batches == [["a1"], ["a2", "a3"]]
    assert model.batcher.waiting == 0


async def test_a_batch_is_of_one_kind_and_the_oldest_job_chooses_it() -> None:
    model = Model()
    model.ask("a1", "b1", "a2", "c1", "b2")
    await model.finish()
    assert model.batches == [["a1", "a2"], ["b1", "b2"], ["c1"]]


async def test_a_batch_is_no_larger_than_it_may_be() -> None:
    model = Model(most=2)
    model.ask(*(f"a{n}" for n in range(5)))
    await model.finish()
    assert model.batches == [["a0", "a1"], ["a2", "a3"], ["a4"]]


async def test_several_batches_are_at_work_where_there_are_workers() -> None:
    model = Model(workers=2, most=1)
    model.ask("a1", "a2", "a3")
    await rest()
    assert model.threads.busy == 2
    assert model.batcher.waiting == 1
    await model.finish()


async def test_a_cancelled_job_is_not_begun() -> None:
    model = Model()
    model.ask("a1")
    await rest()
    second, third = model.ask("a2", "a3")
    await rest()
    second.cancel()
    await model.finish()
    assert model.batches == [["a1"], ["a3"]]
    assert second.cancelled()
    assert await third == "A3"


async def test_nor_one_that_is_cancelled_in_the_moment_in_which_the_model_is_free() -> None:
    model = Model()
    model.ask("a1")
    await rest()
    (call,) = model.ask("a2")
    await rest()
    model.threads.step()
    call.cancel()  # before the loop has heard that the first one is done
    await model.finish()
    assert model.batches == [["a1"]]


async def test_a_batch_that_nobody_wants_is_told_so() -> None:
    model = Model()
    calls = model.ask("a1", "a2")
    await rest()
    for call in calls:
        call.cancel()
    await rest()
    await model.finish()
    assert model.abandoned == [True]
    (call,) = model.ask("a3")
    await model.finish()
    assert await call == "A3"


async def test_a_batch_that_one_still_wants_is_brought_to_its_end() -> None:
    model = Model()
    first, second = model.ask("a1", "a2")
    await rest()
    first.cancel()
    await model.finish()
    assert model.abandoned == [False]
    assert await second == "A2"


async def test_the_fault_of_one_job_is_its_own() -> None:
    model = Model()
    calls = model.ask("p1", "poison", "p2", "q1")
    await model.finish()
    good, bad, other, behind = await asyncio.gather(*calls, return_exceptions=True)
    assert (good, other, behind) == ("P1", "P2", "Q1")
    assert isinstance(bad, RuntimeError)
    assert model.batches == [["p1", "poison", "p2"], ["p1"], ["poison"], ["p2"], ["q1"]]


async def test_closing_fails_what_waits_and_what_still_comes() -> None:
    model = Model()
    running, waiting = (*model.ask("a1"), *model.ask("b1"))
    await rest()
    model.batcher.close(TranscriptionError("closed"))
    await model.finish()
    assert await running == "A1"
    for call in (waiting, *model.ask("a2")):
        with pytest.raises(TranscriptionError, match="closed"):
            await call
    assert model.batches == [["a1"]]


async def test_a_batch_that_fails_after_closing_is_not_tried_again() -> None:
    model = Model()
    calls = model.ask("p1", "poison")
    await rest()
    model.batcher.close(TranscriptionError("closed"))
    await model.finish()
    assert model.batches == [["p1", "poison"]]
    for call in calls:
        with pytest.raises(RuntimeError):
            await call


async def test_one_more_is_refused_when_it_would_wait_too_long() -> None:
    model = Model(most=1)
    model.batcher.admit(0)  # of how long a job takes nothing is known yet
    model.ask("a0")
    await model.finish()
    model.ask(*(f"a{n}" for n in range(1, 5)))
    await rest()
    assert model.batcher.waiting == 3
    model.batcher.admit(3.0)
    with pytest.raises(BusyError) as refused:
        model.batcher.admit(2.5)
    assert refused.value.details == {"retry_after_ms": 500}
    await model.finish()
    model.batcher.admit(0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "cancel", "work", "work", "rest"]), st.integers(0, 30)), max_size=60
)


@given(STEPS, st.integers(1, 3), st.integers(1, 4))
def test_any_order_of_events(steps: list[tuple[str, int]], workers: int, most: int) -> None:
    asyncio.run(_run(steps, workers, most))


async def _run(steps: list[tuple[str, int]], workers: int, most: int) -> None:
    """Everybody gets the own result once, in the order of arrival among its kind, and nobody is forgotten."""
    model = Model(workers, most)
    calls: list[asyncio.Task[str]] = []
    for what, number in steps:
        match what:
            case "ask":
                calls += model.ask(f"{'abp'[number % 3]}{len(calls)}" if number else "poison")
            case "cancel" if calls:
                calls[number % len(calls)].cancel()
            case "work" if model.threads.busy:
                model.threads.step()
            case "rest":
                await rest()
        assert model.threads.busy <= workers
    await model.finish()
    assert model.batcher.waiting == 0
    for call in calls:
        assert call.done()
        if call.get_name() == "poison":
            assert call.cancelled() or isinstance(call.exception(), RuntimeError)
        elif not call.cancelled():
            assert call.result() == call.get_name().upper()
    assert all(len(batch) <= most and len({job[0] for job in batch}) == 1 for batch in model.batches)
    firsts = [job for batch in model.batches for job in batch if job[0] in "ab"]
    for kind in "ab":
        numbers = [int(job[1:]) for job in firsts if job[0] == kind]
        assert numbers == sorted(set(numbers))
