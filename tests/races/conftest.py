"""After every race: no task, thread, decoder or user of the engines is left."""

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from simplevoice.conversation.conversation import Conversation
from simplevoice.conversation.listening import AudioStream
from simplevoice.conversation.pipeline import Pipeline
from simplevoice.conversation.turn import Turn
from simplevoice.registry import Connection
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.speech.stream import StreamDecoder
from tests.unit.server.conftest import daemon

__all__ = ["daemon"]

_COUNTED = (AudioStream, Connection, Conversation, Pipeline, SpeechEncoder, StreamDecoder, Turn)


def _alive() -> Counter[str]:
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects() if issubclass(type(thing), _COUNTED))


def _threads() -> set[str]:
    """The threads besides those of the loop's own executor."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


@pytest.fixture(autouse=True, scope="session")
def old_things_set_aside() -> Iterator[None]:
    """Spare the garbage collector what was there before the first race."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Fail a test behind which something runs, or is kept."""
    tasks, threads, alive = asyncio.all_tasks(), _threads(), _alive()
    yield
    left = {task.get_name() for task in asyncio.all_tasks() - tasks if task is not asyncio.current_task()}
    assert not left
    assert not _threads() - threads
    await _executor_at_rest()
    assert not _alive() - alive


async def _executor_at_rest() -> None:
    """Until a thread takes its next job it may hold what the one before worked on."""
    executor = asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]  # there is no public way
    if executor is not None:
        await asyncio.get_running_loop().shutdown_default_executor()
