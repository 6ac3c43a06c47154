import asyncio
import math
from contextlib import AbstractContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.conversation import patience
from simplevoice.conversation.patience import Patience
from tests.races.scene import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


async def test_what_is_done_is_done_however_late(clock: Clock) -> None:
    patient = Patience(1.0, 0.5)
    patient.begin()
    clock.now += 5
    work = asyncio.create_task(asyncio.sleep(0))
    await work
    assert await patient.outlast(work)


async def test_what_takes_too_long_is_not_outlasted(clock: Clock) -> None:
    patient = Patience(0.001, 0.001)
    patient.begin()
    work = asyncio.create_task(asyncio.Event().wait())
    outlasting = asyncio.create_task(patient.outlast(work))
    clock.now += 1
    assert not await outlasting
    assert not work.done()
    work.cancel()


def test_before_it_begins_no_time_passes(clock: Clock) -> None:
    patient = Patience(1.0, 0.5)
    with patient.suspended():
        clock.now += 5
    assert patient._left == math.inf


def test_behind_a_sound_it_waits_for_the_next_one(clock: Clock) -> None:
    patient = Patience(1.0, 0.5)
    patient.begin()
    clock.now += 0.75
    assert patient._left == 0.25
    patient.go_on()
    assert patient._left == 0.5


@pytest.mark.parametrize(("seconds", "next_seconds"), [(10.0, 0.001), (0.001, 10.0)])
async def test_a_wait_that_begins_while_it_looks_away_is_seen_in_time(
    clock: Clock, seconds: float, next_seconds: float
) -> None:
    patient = Patience(seconds, next_seconds)
    work = asyncio.create_task(asyncio.Event().wait())
    outlasting = asyncio.create_task(patient.outlast(work))
    await asyncio.sleep(0)  # it waits, for as long as it may
    patient.begin()
    if next_seconds < seconds:
        patient.go_on()
    clock.now += 1
    assert not await outlasting
    work.cancel()


STEPS = st.lists(st.tuples(st.sampled_from(["pass", "enter", "leave", "go on"]), st.integers(0, 5)), max_size=40)


@given(STEPS)
def test_time_passes_only_while_nothing_is_being_sent(steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patience, "time", clock)
        patient = Patience(1000.0, 500.0)
        patient.begin()
        sending: list[AbstractContextManager[None]] = []
        limit, waited = 1000.0, 0
        for step, value in steps:
            match step:
                case "pass":
                    clock.now += value
                    waited += 0 if sending else value
                case "enter":
                    sending.append(patient.suspended())
                    sending[-1].__enter__()
                case "leave" if sending:
                    sending.pop(value % len(sending)).__exit__(None, None, None)
                case "go on":
                    patient.go_on()
                    limit, waited = 500.0, 0
        for suspension in sending:
            suspension.__exit__(None, None, None)
        assert patient._left == limit - waited
