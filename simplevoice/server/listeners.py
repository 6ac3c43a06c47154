"""Where the daemon accepts connections: on the sockets that systemd hands over, or else on the configured address."""

import socket

import structlog
from aiohttp import web

from simplevoice import systemd
from simplevoice.config import ServerConfig

log = structlog.get_logger(__name__)


async def listen(runner: web.AppRunner, config: ServerConfig) -> bool:
    """Accept connections; True when on inherited sockets. Raises OSError.

    Whoever connects to an inherited socket that nobody accepts on is not refused, but waits for the next daemon.
    """
    inherited = systemd.inherited_sockets()
    for name, listener in inherited:
        # asyncio would make the queue of those who wait short, for the next daemon too.
        await web.SockSite(runner, listener, backlog=socket.SOMAXCONN).start()
        log.info("socket_inherited", name=name)
    if not inherited:
        await web.TCPSite(runner, config.host, config.port).start()
    for address in runner.addresses:
        log.info("listening", url=_url(address))
    return bool(inherited)


def _url(address: object) -> str:
    """Say where clients connect; ``address`` is a socket's name, as its family has it."""
    if not isinstance(address, tuple):
        return f"unix:{address}"
    host, port = address[:2]
    return f"ws://{f'[{host}]' if ':' in host else host}:{port}/ws/simple-voice-chat"
