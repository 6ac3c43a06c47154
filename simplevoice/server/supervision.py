"""Keeps systemd informed: what the daemon is doing, that it makes progress, and that it is alive.

Alive means that the event loop turns and that every engine's threads take work. When either stalls, the signs of life
stay out, and systemd starts the daemon anew.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiohttp import web

from simplevoice import systemd
from simplevoice.engines.engine import EngineHealth
from simplevoice.server.keys import LIFECYCLE, LIVE, REGISTRY, SERVICE
from simplevoice.server.workers import WorkerProbe

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0
"""Between two looks at what is to be told."""

BEYOND_A_TURN_SECONDS = 120.0
"""All of an engine's threads busy for so much longer than a client waits for an answer: they are stuck.

Calls are given up sooner, but a long reply that is streamed may keep a thread of llama.cpp for a while.
"""

FETCH_STEP_SECONDS = 60
"""The time that the start may still take after each sign that weights are coming in."""


@asynccontextmanager
async def supervised(app: web.Application) -> AsyncIterator[None]:
    """Keep systemd informed while the context lasts, where it is the one that started the daemon."""
    if "NOTIFY_SOCKET" not in os.environ:
        yield
        return
    task = asyncio.create_task(_keep_informed(Supervision(app)), name="supervision")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _keep_informed(supervision: "Supervision") -> None:
    seconds = systemd.watchdog_seconds()
    while True:
        systemd.notify(*supervision.news(watched=seconds is not None))
        await asyncio.sleep(TICK_SECONDS if seconds is None else min(TICK_SECONDS, seconds / 2))


class Supervision:
    """What there is to tell of one daemon, and what was told already."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._told = ""
        self._fetched = 0
        self._stalled = False
        self._probe = WorkerProbe(lambda: app[SERVICE].workers)

    def news(self, *, watched: bool) -> list[str]:
        """List the states of sd_notify(3) that are due; ``watched`` asks for signs of life too."""
        states = []
        if watched and not self._is_stalled():
            states.append("WATCHDOG=1")
        fetched = self._app[SERVICE].fetching.done
        if self._app[LIFECYCLE].phase == "starting" and fetched != self._fetched:
            states.append(f"EXTEND_TIMEOUT_USEC={FETCH_STEP_SECONDS * 1_000_000}")
        self._fetched = fetched
        status = describe(self._app)
        if status != self._told:
            states.append(f"STATUS={status}")
        self._told = status
        return states

    def _is_stalled(self) -> bool:
        patience = self._app[LIVE].config.limits.turn_timeout_seconds + BEYOND_A_TURN_SECONDS
        stalled = self._probe.longest_wait() > patience
        if stalled and not self._stalled:
            log.critical("workers_stalled", seconds=patience)
        self._stalled = stalled
        return stalled


def describe(app: web.Application) -> str:
    """Say in one line what the daemon is doing, as ``systemctl status`` shows it."""
    phase, fetching = app[LIFECYCLE].phase, app[SERVICE].fetching
    if phase == "starting" and fetching.model:
        return f"starting: fetching {fetching.model}, {_amount(fetching.done, fetching.total)}"
    health = app[SERVICE].health()
    engines = ", ".join(f"{name} {_state(getattr(health, name))}" for name in health.__struct_fields__)
    count = len(app[REGISTRY])
    return f"{phase}: {count} connection{'' if count == 1 else 's'}; {engines}"


def _state(health: EngineHealth) -> str:
    active = msgspec.to_builtins(health).get("active", health.engine)
    name = health.engine if active == health.engine else f"{health.engine} → {active}"
    return f"{name} {health.state}"


def _amount(done: int, total: int) -> str:
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
