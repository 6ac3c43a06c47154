"""Where the daemon accepts connections: on the sockets that systemd hands over, or else on the configured address."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from simplevoice import systemd
from simplevoice.config import Config
from simplevoice.server.exposure import address_of, check_exposure
from simplevoice.server.gate import Gate
from simplevoice.server.keys import LIVE, PLACES
from simplevoice.server.live import Commit
from simplevoice.server.tls import Tls

log = structlog.get_logger(__name__)


class Listeners:
    """The sockets that connections are accepted on; ``inherited`` ones stay open when these are closed.

    Whoever connects to an inherited socket that nobody accepts on is not refused, but waits, while one daemon goes down
    and the next one starts. On an address of its own the daemon answers meanwhile that it is not ready.
    """

    def __init__(self, *, inherited: bool) -> None:
        self.inherited = inherited
        self.servers: list[asyncio.Server] = []

    @property
    def sockets(self) -> list[Any]:
        """All of them, as asyncio wraps them."""
        return [listener for server in self.servers for listener in server.sockets]

    async def accept(self) -> None:
        """Let connections in."""
        for server in self.servers:
            await server.start_serving()

    def close(self) -> None:
        """Accept nobody more; who is connected stays so."""
        for server in self.servers:
            server.close()

    async def prepare(self, config: Config) -> Commit:
        """Refuse settings under which the daemon would not have begun to listen here. Raises ConfigError."""
        self.check(config)
        return lambda: None

    def check(self, config: Config) -> None:
        """Raise ConfigError where others could reach a daemon that asks for no token."""
        check_exposure((address_of(s.getsockname(), s.family) for s in self.sockets), config.server)


async def listen(runner: web.AppRunner) -> Listeners:
    """Take hold of the sockets, and accept connections on those that are not inherited.

    Raises OSError, and ConfigError where that would let everybody in or TLS can't be had.
    """
    live = runner.app[LIVE]
    server = live.config.server
    tls = await Tls.load(live.config)
    bind = _binder(runner, tls)
    handed_over = systemd.inherited_sockets()
    listeners = Listeners(inherited=bool(handed_over))
    try:
        for name, listener in handed_over:
            # asyncio would make the queue of those who wait short, for the next daemon too.
            listeners.servers.append(await bind(sock=listener, backlog=socket.SOMAXCONN))
            log.info("socket_inherited", name=name)
        if not handed_over:
            listeners.servers.append(await bind(host=server.host, port=server.port))
        listeners.check(live.config)
        if not handed_over:
            await listeners.accept()
    except BaseException:
        listeners.close()
        raise
    for listener in listeners.sockets:
        log.info("listening", **_urls(listener.getsockname(), "" if tls is None else "s"))
    live.parts[:0] = [listeners.prepare] if tls is None else [listeners.prepare, tls.prepare]
    return listeners


def _binder(runner: web.AppRunner, tls: Tls | None) -> Callable[..., Awaitable[asyncio.Server]]:
    """Make what takes hold of an address without accepting anybody yet."""
    live, places = runner.app[LIVE], runner.app[PLACES]
    assert runner.server is not None  # noqa: S101 - the runner is set up
    gate = Gate(runner.server, lambda: len(places), lambda: live.config.limits.waiting_sockets)
    secure = {"ssl": tls.context, "ssl_handshake_timeout": live.config.limits.handshake_seconds} if tls else {}
    return partial(asyncio.get_running_loop().create_server, gate, start_serving=False, **secure)


def _urls(address: object, secure: str) -> dict[str, str]:
    """Say where the page is, and where clients connect; ``address`` is a socket's name, as its family has it."""
    if not isinstance(address, tuple):
        return {"url": f"unix:{address}"}
    host, port = address[:2]
    place = f"{f'[{host}]' if ':' in host else host}:{port}"
    return {"page": f"http{secure}://{place}/", "url": f"ws{secure}://{place}/ws/simple-voice-chat"}
