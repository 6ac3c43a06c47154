"""The first second of the daemon: weights are read while the server is still being imported."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from simplevoice import memory
from simplevoice.config.sources import Settings
from simplevoice.importing import ONE_AT_A_TIME
from simplevoice.server.event_loop import new_event_loop
from simplevoice.server.signals import leave
from simplevoice.service import create_service

if TYPE_CHECKING:
    from aiohttp import web

THREADS_SECONDS = 5.0
"""Threads that are stuck in an engine or a download can't be stopped; the process leaves without them then."""


def start(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, and give the exit code: 0 after a clean stop, 1 when it could not start.

    A second signal ends the process at once, with 128 and the signal's number.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        code = runner.run(_serve(settings))
        deadline = threading.Timer(THREADS_SECONDS, leave, [code])
        deadline.daemon = True
        deadline.start()
    return code


async def _serve(settings: Settings) -> int:
    memory.bound_arenas()  # before there are threads
    with memory.uncollected():
        service = create_service(settings.config)
        try:
            await service.begin()
            create_app, serve = await asyncio.to_thread(_import_server)
            app = create_app(settings.config, service)
        except BaseException:
            await service.close()
            raise
    return await serve(app, settings.read_again)


def _import_server() -> tuple[
    Callable[..., "web.Application"], Callable[["web.Application", Callable[[], Settings]], Coroutine[Any, Any, int]]
]:
    """Import what takes as long as reading the weights does."""
    with ONE_AT_A_TIME:
        from simplevoice.server.app import create_app
        from simplevoice.server.run import serve

    return create_app, serve
