import asyncio

import pytest

from simplevoice.server.loop_lag import EVERY_SECONDS, watch_loop


async def test_it_tells_how_late_each_round_is() -> None:
    now = 100.0
    delays = iter([0.0, 0.4, -0.01])
    told: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        assert seconds == EVERY_SECONDS
        delay = next(delays, None)
        if delay is None:
            raise asyncio.CancelledError
        now += seconds + delay

    with pytest.raises(asyncio.CancelledError):
        await watch_loop(told.append, clock=lambda: now, sleep=sleep)
    assert told == pytest.approx([0.0, 0.4, 0.0])
