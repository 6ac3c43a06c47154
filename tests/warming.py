"""A daemon in the process of the tests is ready before it is warm, and warming up asks its engines, too."""

import asyncio


async def warmed_up() -> None:
    """Wait until every daemon that has started here is warm."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "warm-up"))
