"""Run the daemon until a signal ends it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any

import structlog
from aiohttp import web

from simplevoice import memory, systemd
from simplevoice.config.sources import Settings
from simplevoice.errors import SimpleVoiceError
from simplevoice.reasons import system_words
from simplevoice.server.app import start_service
from simplevoice.server.drain import drain
from simplevoice.server.event_loop import kind_of
from simplevoice.server.keys import LIVE, REGISTRY
from simplevoice.server.listeners import Listeners, listen
from simplevoice.server.reload import reload
from simplevoice.server.signals import Signals
from simplevoice.server.supervision import describe, supervised

log = structlog.get_logger(__name__)

HANDLERS_SECONDS = 5.0
"""For HTTP requests that are being answered when all conversations are over."""


async def serve(app: web.Application, read_again: Callable[[], Settings]) -> int:
    """Listen, load the engines, and work until a signal comes. What runs on this loop is done when it returns.

    ``read_again`` gives the settings that SIGHUP puts in force.
    """
    log.info("starting", event_loop=kind_of(asyncio.get_running_loop()))
    memory.bound_arenas()
    seconds = app[LIVE].config.limits.handshake_seconds
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=HANDLERS_SECONDS,
        keepalive_timeout=seconds,  # that of a client that has said nothing yet, too
        lingering_time=seconds,
    )
    with Signals.caught() as signals:
        try:
            await runner.setup()
            async with supervised(app):
                return await _work(runner, signals, read_again)
        except SimpleVoiceError as error:
            log.error("cannot_start", error=str(error))
            return 1
        finally:
            systemd.notify("STOPPING=1")
            await runner.cleanup()
            log.info("stopped")


async def _work(runner: web.AppRunner, signals: Signals, read_again: Callable[[], Settings]) -> int:
    """Listen as long as there is work; gives the exit code. Raises SimpleVoiceError when it can't start."""
    server = runner.app[LIVE].config.server
    try:
        listeners = await listen(runner)
    except OSError as error:
        log.error("cannot_listen", host=server.host, port=server.port, error=system_words(error))
        return 1
    with closing(listeners):
        return await _converse(runner.app, signals, read_again, listeners)


async def _converse(
    app: web.Application, signals: Signals, read_again: Callable[[], Settings], listeners: Listeners
) -> int:
    """Load the engines, work until told to stop, and let conversations end."""
    if not await _unless(signals.stop, start_service(app)):
        return 0
    with memory.spared(lambda: len(app[REGISTRY])):
        await listeners.accept()
        systemd.notify("READY=1", f"STATUS={describe(app)}")
        while await _unless(signals.stop, signals.wait_for_reload()):
            await _unless(signals.stop, reload(app, read_again))
        systemd.notify("STOPPING=1")
        if listeners.inherited:  # whoever comes now waits for the next daemon
            listeners.close()
        await drain(app)
    return 0


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, or give it up when told to stop; False then."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.wait([working, stopping])
    return False
