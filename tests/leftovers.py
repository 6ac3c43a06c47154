"""Nothing outlives a test: import ``nothing_left`` into a conftest or a test module."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

ENGINE_THREADS = ("espeak", "piper")


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task, or a thread of an engine."""
    before = asyncio.all_tasks()
    yield
    tasks = asyncio.all_tasks() - before - {asyncio.current_task()}
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith(ENGINE_THREADS)]
    assert not tasks
    assert not threads
