"""The outer gate: how many network connections may wait that are no conversation."""

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)


class Gate:
    """Makes the protocol of each network connection: HTTP, or one that hangs up when too many wait already.

    Whoever connects and says nothing is given up after a while, but meanwhile costs memory and a file descriptor.
    """

    def __init__(self, http: web.Server, conversations: Callable[[], int], bound: Callable[[], int]) -> None:
        self._http = http
        self._conversations = conversations
        self._bound = bound
        self._full = False

    def __call__(self) -> asyncio.Protocol:
        """Make the protocol of a new connection."""
        waiting = len(self._http.connections) - self._conversations()
        was_full, self._full = self._full, waiting >= self._bound()
        if not self._full:
            return self._http()
        if not was_full:
            log.warning("too_many_waiting_sockets", waiting=waiting)
        return HangUp()


class HangUp(asyncio.Protocol):
    """Ends a connection where it begins."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Drop it."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio makes for streams
        transport.abort()
