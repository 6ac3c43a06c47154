"""How late the event loop is: nothing shows sooner that something blocks it, or that the machine has too much to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable

EVERY_SECONDS = 0.25


async def watch_loop(
    tell: Callable[[float], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Tell, until cancelled, how many seconds later than it should the loop comes back to this task."""
    while True:
        due = clock() + EVERY_SECONDS
        await sleep(EVERY_SECONDS)
        tell(max(0.0, clock() - due))
