"""Work that has to be finished, whoever is cancelled meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_its_end(cleanup: Coroutine[Any, Any, None]) -> None:
    """Run a clean-up to its end, also when the caller is cancelled; then it is cancelled after that."""
    task = asyncio.create_task(cleanup)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
