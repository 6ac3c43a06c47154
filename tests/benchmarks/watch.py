"""Sees what is done in a daemon, when, and for how long; and shows it to who looks in from outside."""

import asyncio
import os
import threading
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from simplevoice.engines.engine import Engine

INSIDE = "/inside"
TASKS = Path("/proc/self/task")
NAMED = {
    "MainThread": "event loop",
    "voice activity": "Silero",
    "asyncio": "Smart Turn, encoding",
    "whisper": "Whisper",
    "llama": "llama",
    "piper": "Piper",
}
"""Whose a Python thread is, by the beginning of its name."""

P = ParamSpec("P")
T = TypeVar("T")


class Span(msgspec.Struct, frozen=True):
    """Something that was done, on the clock of ``time.perf_counter``, which Linux counts alike in all processes."""

    name: str
    began: float
    ended: float


class Inside(msgspec.Struct, frozen=True):
    """What was done since the last look, and the CPU seconds of each engine's threads until now."""

    spans: list[Span]
    cpu: dict[str, float]


class Watch:
    """Notes when something was done, and whose threads there are."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._owners: dict[int, str] = {}
        self._loading = asyncio.Lock()

    def call(self, name: str, done: Callable[P, T]) -> Callable[P, T]:
        """Note each call of a function that blocks."""

        @wraps(done)
        def watched(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.perf_counter()
            try:
                return done(*args, **kwargs)
            finally:
                self._note(name, began)

        return watched

    def awaited(self, name: str, done: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Note each call of a coroutine."""

        @wraps(done)
        async def watched(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.perf_counter()
            try:
                return await done(*args, **kwargs)
            finally:
                self._note(name, began)

        return watched

    def first(self, name: str, stream: Callable[P, AsyncGenerator[T]]) -> Callable[P, AsyncGenerator[T]]:
        """Note how long the first item takes."""

        @wraps(stream)
        async def watched(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
            began: float | None = time.perf_counter()
            async for item in stream(*args, **kwargs):
                if began is not None:
                    self._note(name, began)
                    began = None
                yield item

        return watched

    def own(self, name: str, engine: Engine) -> None:
        """Let engines load and warm up one after the other; the threads that come with each are its own."""
        engine.load = self._alone(name, engine.load)  # type: ignore[method-assign]
        engine.warm_up = self._alone(name, engine.warm_up)  # type: ignore[method-assign]

    def _alone(
        self, name: str, step: Callable[[], Coroutine[Any, Any, None]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        async def watched() -> None:
            async with self._loading:
                before = _threads()
                await step()
                self._owners |= dict.fromkeys(_threads() - before, name)

        return watched

    async def look(self, _request: web.Request) -> web.Response:
        """Answer who wants to look inside."""
        spans, self._spans = self._spans, []
        named = {thread.native_id: thread.name for thread in threading.enumerate()}
        cpu: defaultdict[str, float] = defaultdict(float)
        for thread in _threads():
            cpu[self._owner(thread, named.get(thread, ""))] += _cpu_seconds(thread)
        return web.Response(body=msgspec.json.encode(Inside(spans, cpu)), content_type="application/json")

    def _owner(self, thread: int, name: str) -> str:
        for beginning, owner in NAMED.items():
            if name.startswith(beginning):
                return owner
        return self._owners.get(thread, "others")

    def _note(self, name: str, began: float) -> None:
        self._spans.append(Span(name, began, time.perf_counter()))


def _threads() -> set[int]:
    return {int(entry.name) for entry in TASKS.iterdir()}


def _cpu_seconds(thread: int) -> float:
    try:
        fields = (TASKS / str(thread) / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # it ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def look(url: str) -> Inside:
    """Look into the daemon that is at a WebSocket's address."""
    inside = URL(url).with_scheme("http").with_path(INSIDE).with_query(None)
    async with aiohttp.ClientSession() as session, session.get(inside, raise_for_status=True) as response:
        return msgspec.json.decode(await response.read(), type=Inside)
