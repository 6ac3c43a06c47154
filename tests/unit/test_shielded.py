import asyncio

import pytest

from simplevoice.shielded import to_its_end


async def test_a_clean_up_goes_on_when_its_caller_is_cancelled() -> None:
    begun, go, done = asyncio.Event(), asyncio.Event(), False

    async def cleanup() -> None:
        nonlocal done
        begun.set()
        await go.wait()
        done = True

    caller = asyncio.create_task(to_its_end(cleanup()))
    await begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done
