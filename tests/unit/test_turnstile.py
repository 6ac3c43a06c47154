import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice.config import LimitsConfig
from simplevoice.errors import BusyError, ErrorCode
from simplevoice.turnstile import LEAST_PLACES, Place, Turnstile, places_of


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def is_refused(place: Place) -> BusyError:
    with pytest.raises(BusyError) as told:
        await place.wait()
    return told.value


async def test_a_free_place_is_had_at_once() -> None:
    turnstile = Turnstile(2, 0.0)
    for _ in range(2):
        await turnstile.ask().wait()
    assert (turnstile.in_progress, turnstile.waiting) == (2, 0)


async def test_first_come_first_served() -> None:
    turnstile = Turnstile(1, 60.0)
    places = [turnstile.ask() for _ in range(4)]
    waiting = [asyncio.create_task(place.wait()) for place in places]
    for place, task in zip(places, waiting, strict=True):
        await task
        assert [other.held.is_set() for other in places].count(True) == places.index(place) + 1
        place.leave()
    assert (turnstile.in_progress, turnstile.waiting) == (0, 0)


async def test_one_who_repeats_himself_starves_nobody() -> None:
    turnstile = Turnstile(1, 60.0)
    hasty, patient = turnstile.ask(), turnstile.ask()
    for _ in range(3):
        hasty.leave()
        hasty = turnstile.ask()
    assert patient.held.is_set()
    assert not hasty.held.is_set()


async def test_who_waits_too_long_is_refused_and_stands_in_the_queue_no_more() -> None:
    turnstile = Turnstile(1, 0.01)
    held, late = turnstile.ask(), turnstile.ask()
    error = await is_refused(late)
    assert error.code is ErrorCode.SERVER_BUSY
    assert turnstile.waiting == 0
    held.leave()
    assert not late.held.is_set()
    assert turnstile.in_progress == 0


async def test_a_place_that_comes_at_the_last_moment_is_taken() -> None:
    turnstile = Turnstile(1, 0.01)
    held, late = turnstile.ask(), turnstile.ask()
    waiting = asyncio.create_task(late.wait())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, held.leave)
    await asyncio.wait([waiting])
    assert (waiting.exception() is None) == late.held.is_set()
    late.leave()
    assert turnstile.in_progress == 0


async def test_without_patience_it_is_refused_at_once() -> None:
    turnstile = Turnstile(1, 0.0)
    turnstile.ask()
    await is_refused(turnstile.ask())


async def test_work_ahead_takes_only_what_nobody_else_wants() -> None:
    turnstile = Turnstile(2, 60.0)
    ahead = turnstile.ask_ahead()
    assert ahead is not None
    turnstile.ask()
    assert turnstile.ask_ahead() is None
    assert turnstile.waiting == 0
    known = turnstile.ask()
    ahead.leave()
    assert known.held.is_set()
    assert turnstile.ask_ahead() is None


async def test_the_wait_is_estimated_from_the_last_turns_and_from_those_in_progress() -> None:
    clock = Clock()
    turnstile = Turnstile(2, 0.0, clock)
    assert turnstile.estimate_wait_ms() == 0
    for seconds in (1.0, 3.0):
        place = turnstile.ask()
        clock.now += seconds
        place.leave()
    assert turnstile.estimate_wait_ms() == 1000  # one of two places, for 2 s on the average
    turnstile.ask(), turnstile.ask()
    clock.now += 14.0  # both hang
    assert turnstile.estimate_wait_ms() == 4000
    turnstile.ask(), turnstile.ask()
    assert turnstile.estimate_wait_ms() == 12_000
    assert (await is_refused(turnstile.ask())).details == {"retry_after_ms": 12_000}


async def test_more_places_are_given_out_at_once_and_fewer_when_turns_end() -> None:
    turnstile = Turnstile(1, 60.0)
    places = [turnstile.ask() for _ in range(4)]
    turnstile.resize(3, 60.0)
    assert [place.held.is_set() for place in places] == [True, True, True, False]
    turnstile.resize(1, 60.0)
    assert turnstile.ask_ahead() is None
    for place, held in zip(places, (3, 2, 1, 1), strict=True):
        assert turnstile.in_progress == held
        place.leave()
    assert turnstile.in_progress == 0


def test_a_small_machine_has_places_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplevoice.turnstile.CORES", 1)
    assert places_of(LimitsConfig()) == LEAST_PLACES
    monkeypatch.setattr("simplevoice.turnstile.CORES", 16)
    assert places_of(LimitsConfig()) == 32
    assert places_of(LimitsConfig(max_turns=5)) == 5


ACTIONS = st.tuples(st.sampled_from(["ask", "ask", "ahead", "leave", "leave", "leave twice"]), st.integers(0, 9))


@given(st.integers(1, 4), st.lists(ACTIONS, max_size=60))
def test_in_whatever_order_they_come_and_go(places: int, actions: list[tuple[str, int]]) -> None:
    asyncio.run(_come_and_go(places, actions))


async def _come_and_go(places: int, actions: list[tuple[str, int]]) -> None:
    turnstile = Turnstile(places, 60.0)
    present: list[Place] = []
    gone: list[Place] = []
    for action, which in actions:
        match action:
            case "ask":
                present.append(turnstile.ask())
            case "ahead":
                free = len(present) < places
                place = turnstile.ask_ahead()
                assert (place is not None) == free
                present += [place] if place else []
            case "leave" if present:
                gone.append(present.pop(which % len(present)))
                gone[-1].leave()
            case "leave twice" if gone:
                gone[which % len(gone)].leave()
        # Those who came first hold the places, and nobody's place stays empty.
        assert [place.held.is_set() for place in present] == [n < places for n in range(len(present))]
        assert turnstile.in_progress == min(places, len(present))
        assert turnstile.waiting == max(0, len(present) - places)
