"""Run the daemon until a signal ends it."""

import asyncio
import signal
from contextlib import suppress

import structlog
from aiohttp import web

from simplevoice import systemd
from simplevoice.config import Config
from simplevoice.errors import SimpleVoiceError
from simplevoice.server.app import create_app, start_service
from simplevoice.server.keys import LIVE

log = structlog.get_logger(__name__)


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, and give the exit code: 0 after a clean stop, 1 when it could not start."""
    return asyncio.run(serve(create_app(config)))


async def serve(app: web.Application) -> int:
    """Listen, load the engines, and work until a signal comes. What runs on this loop is done when it returns."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        if not await _listen(runner, app[LIVE].config):
            return 1
        return await _work(app, stop)
    finally:
        systemd.notify("STOPPING=1")
        await runner.cleanup()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        log.info("stopped")


async def _listen(runner: web.AppRunner, config: Config) -> bool:
    server = config.server
    try:
        await web.TCPSite(runner, server.host, server.port).start()
    except OSError as error:
        log.error("cannot_listen", host=server.host, port=server.port, error=error.strerror or str(error))
        return False
    for host, port, *_ in runner.addresses:
        log.info("listening", url=f"ws://{host}:{port}/ws/simple-voice-chat")
    return True


async def _work(app: web.Application, stop: asyncio.Event) -> int:
    """Load the engines, then wait for the signal; a signal while loading ends it too."""
    starting = asyncio.create_task(start_service(app))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            systemd.notify("READY=1")
            await stopping
    except SimpleVoiceError as error:
        log.error("cannot_start", error=str(error))
        return 1
    finally:
        for task in (starting, stopping):
            task.cancel()
            with suppress(asyncio.CancelledError, SimpleVoiceError):
                await task
    return 0
