"""Servers that fail as they are told: refusing, hanging, slow, breaking off, talking rubbish."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum, auto
from typing import Any, ClassVar, Self

from aiohttp import web


class Fault(StrEnum):
    """How a server fails."""

    NONE = auto()
    REFUSES = auto()
    """Nobody listens, and what is connected is cut."""
    CLOSES = auto()
    """The request is taken, and the connection closed."""
    UNAUTHORIZED = auto()
    NOT_FOUND = auto()
    BUSY = auto()
    """429, with the Retry-After of ``retry_after``."""
    FAILS = auto()
    """500."""
    UNAVAILABLE = auto()
    """503."""
    HANGS = auto()
    """Nothing comes, not a byte."""
    LATE = auto()
    """The answer comes after ``seconds``."""
    SLOW = auto()
    """Each piece of the answer comes ``seconds`` after the one before."""
    STALLS = auto()
    """Half of the answer, then nothing."""
    BREAKS_OFF = auto()
    """Half of the answer, then the connection is cut."""
    ENDS_EARLY = auto()
    """Half of the answer, and that is said to be all."""
    NOT_JSON = auto()
    NOT_UTF8 = auto()
    WRONG_SHAPE = auto()
    """JSON, but of something else."""
    HTML = auto()
    """A login page, with 200."""
    EMPTY = auto()
    """200, and nothing more."""
    ENDLESS_LINE = auto()
    """JSON whose text never ends."""
    ENDLESS_REPLY = auto()
    """Good pieces that never end."""


STATUS = {
    Fault.UNAUTHORIZED: 401,
    Fault.NOT_FOUND: 404,
    Fault.BUSY: 429,
    Fault.FAILS: 500,
    Fault.UNAVAILABLE: 503,
}
RUBBISH = {
    Fault.NOT_JSON: b"{oops",
    Fault.NOT_UTF8: b"\xff\xfe\x00",
    Fault.WRONG_SHAPE: b'{"choices": [{"delta": 7}, []], "text": {"of": "another kind"}, "data": 3}',
    Fault.HTML: b"<!doctype html><title>Log in</title>",
}
BLOCK_BYTES = 2**14
"""Of what never ends, at a time."""


class FaultyServer:
    """Serves on loopback until the context ends. ``fault`` may be set at any time, REFUSES only by ``switch``.

    ``requests`` holds what was asked, ``hanging`` is set when a request hangs by its fault, and ``gone`` when a client
    went away before it had its answer.
    """

    content_type: ClassVar[str]
    """Of an answer."""

    def __init__(self, fault: Fault = Fault.NONE, *, seconds: float = 0.1, retry_after: float | None = None) -> None:
        self.fault = fault
        self.seconds = seconds
        self.retry_after = retry_after
        self.requests: list[dict[str, Any]] = []
        self.connections: list[object] = []
        self.hanging = asyncio.Event()
        self.gone = asyncio.Event()
        self.port = 0
        self._site: web.TCPSite | None = None
        app = web.Application(client_max_size=2**25)
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)

    @property
    def url(self) -> str:
        """The base URL of the API. It stays, also while nobody listens."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await self._listen()
        if self.fault is Fault.REFUSES:
            await self._refuse()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def switch(self, fault: Fault) -> None:
        """Fail so from now on; what hangs goes on hanging."""
        self.fault = fault
        if fault is Fault.REFUSES:
            await self._refuse()
        elif self._site is None:
            await self._listen()

    def _routes(self) -> Sequence[web.RouteDef]:
        raise NotImplementedError

    def _framed(self, data: bytes) -> bytes:
        """Make a piece of an answer of what may be rubbish."""
        raise NotImplementedError

    def _unending(self) -> bytes:
        """Give a good piece of an answer that is not its end."""
        raise NotImplementedError

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _refuse(self) -> None:
        site, self._site = self._site, None
        if site is not None:
            await site.stop()
        if server := self._runner.server:
            for connection in server.connections:
                if transport := connection.transport:
                    transport.abort()

    async def _answer(
        self, request: web.Request, pieces: Sequence[bytes], content_type: str | None = None
    ) -> web.StreamResponse:
        """Send the pieces of a good answer, or what the fault makes of them."""
        try:
            return await self._send(request, pieces, content_type or self.content_type)
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise

    async def _send(self, request: web.Request, pieces: Sequence[bytes], content_type: str) -> web.StreamResponse:
        fault = self.fault
        if fault in STATUS:
            headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
            error = {"message": f"told to answer {STATUS[fault]}", "type": "error"}
            return web.json_response({"error": error}, status=STATUS[fault], headers=headers)
        if fault in (Fault.CLOSES, Fault.REFUSES):
            cut(request)
        if fault is Fault.HANGS:
            await self.hang()
        if fault is Fault.LATE:
            await asyncio.sleep(self.seconds)
        response = web.StreamResponse(headers={"Content-Type": "text/html" if fault is Fault.HTML else content_type})
        await response.prepare(request)
        async for piece in self._spoilt(request, fault, pieces):
            await response.write(piece)
        return response

    async def _spoilt(self, request: web.Request, fault: Fault, pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
        if fault in RUBBISH:
            yield RUBBISH[fault] if fault is Fault.HTML else self._framed(RUBBISH[fault])
        if fault in RUBBISH or fault is Fault.EMPTY:
            return
        if fault is Fault.ENDLESS_LINE:
            yield self._framed(b'{"text": "').rstrip()
        while fault in (Fault.ENDLESS_LINE, Fault.ENDLESS_REPLY):
            yield self._unending() if fault is Fault.ENDLESS_REPLY else b"o" * BLOCK_BYTES
            await asyncio.sleep(0)
        half = max(1, len(pieces) // 2)
        for number, piece in enumerate(pieces):
            if number == half and fault is Fault.ENDS_EARLY:
                return
            if number == half and fault is Fault.BREAKS_OFF:
                cut(request)
            if number == half and fault is Fault.STALLS:
                await self.hang()
            if fault is Fault.SLOW:
                await asyncio.sleep(self.seconds)
            yield piece

    async def hang(self) -> None:
        """Wait until the client is gone."""
        self.hanging.set()
        await asyncio.Event().wait()


def cut(request: web.Request) -> None:
    """Drop the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionAbortedError
