import asyncio

import pytest

from simplevoice.caller import Caller, Token
from simplevoice.config import LimitsConfig
from simplevoice.errors import RateLimitedError
from simplevoice.server import speeches as module
from simplevoice.server.speeches import Speeches

LIMITS = LimitsConfig(turns_per_minute=2)


def is_refused(speeches: Speeches, caller: Caller, limits: LimitsConfig = LIMITS) -> bool:
    try:
        speeches.take(caller, limits)
    except RateLimitedError:
        return True
    return False


def test_each_caller_has_a_minutes_worth_by_its_token_or_else_by_its_address() -> None:
    speeches = Speeches()
    kitchen = Token("kitchen", b"")
    home = Caller(address="2001:db8::1")
    assert [is_refused(speeches, home) for _ in range(3)] == [False, False, True]
    assert is_refused(speeches, Caller(address="2001:db8::2")), "the same /64 is the same client"
    assert [is_refused(speeches, Caller(kitchen, f"192.0.2.{n}")) for n in range(3)] == [False, False, True]
    assert not is_refused(speeches, Caller(address="192.0.2.1"))


def test_a_reload_counts_anew() -> None:
    speeches, caller = Speeches(), Caller(address="192.0.2.1")
    assert [is_refused(speeches, caller) for _ in range(3)] == [False, False, True]
    assert not is_refused(speeches, caller, LimitsConfig(turns_per_minute=3))


def test_only_so_many_callers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    speeches = Speeches()
    limits = LimitsConfig(turns_per_minute=1)
    for n in range(4):
        speeches.take(Caller(address=f"192.0.2.{n}"), limits)
    assert is_refused(speeches, Caller(address="192.0.2.3"), limits)
    assert not is_refused(speeches, Caller(address="192.0.2.0"), limits), "the oldest was forgotten"


async def test_finish_waits_for_what_is_in_progress() -> None:
    speeches = Speeches()
    await speeches.finish()
    with speeches.in_progress():
        assert len(speeches) == 1
        finishing = asyncio.create_task(speeches.finish())
        await asyncio.sleep(0)
        assert not finishing.done()
    await finishing
    assert len(speeches) == 0
