"""The floor: bare aiohttp that sends back each message as it came. ``python -m tests.benchmarks.echo asyncio``.

It bounds messages as the daemon does and compresses nothing; it says nothing of its own and asks nobody anything.
"""

import asyncio
import json
import signal
import sys

from aiohttp import WSMsgType, web

from tests.benchmarks.loops import run_on_named_loop

MAX_MESSAGE_BYTES = 16 * 2**20


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send back message after message."""
    socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def serve() -> None:
    """Serve until SIGTERM, and say where, as the daemon does."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _say(event="listening", url=f"ws://127.0.0.1:{runner.addresses[0][1]}/")
        _say(event="warmed_up")
        await stop.wait()
    finally:
        await runner.cleanup()


def _say(**entry: str) -> None:
    sys.stderr.write(json.dumps(entry) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    run_on_named_loop(serve())
