import asyncio
import math
from contextlib import AbstractContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice import patience
from simplevoice.patience import Patience
from tests.races.scene import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


async def test_what_is_done_is_done_however_late(clock: Clock) -> None:
    patient = Patience(1.0)
    patient.begin()
    clock.now += 5
    work = asyncio.create_task(asyncio.sleep(0))
    await work
    assert await patient.outlast(work)


async def test_what_takes_too_long_is_not_outlasted(clock: Clock) -> None:
    patient = Patience(0.001)
    patient.begin()
    work = asyncio.create_task(asyncio.Event().wait())
    outlasting = asyncio.create_task(patient.outlast(work))
    clock.now += 1
    assert not await outlasting
    assert not work.done()
    work.cancel()


def test_before_it_begins_no_time_passes(clock: Clock) -> None:
    patient = Patience(1.0)
    with patient.suspended():
        clock.now += 5
    assert patient._left == math.inf


def test_a_sound_lets_it_begin_anew(clock: Clock) -> None:
    patient = Patience(1.0)
    patient.begin()
    clock.now += 0.75
    patient.begin()
    assert patient._left == 1.0


STEPS = st.lists(st.tuples(st.sampled_from(["pass", "enter", "leave", "begin"]), st.integers(0, 5)), max_size=40)


@given(STEPS)
def test_time_passes_only_while_nothing_is_being_sent(steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patience, "time", clock)
        patient = Patience(1000.0)
        patient.begin()
        sending: list[AbstractContextManager[None]] = []
        waited = 0
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
                case "begin":
                    patient.begin()
                    waited = 0
        for suspension in sending:
            suspension.__exit__(None, None, None)
        assert patient._left == 1000.0 - waited
