"""Connections that are opened before there is a text for them: a sentence then waits for no DNS, TCP and TLS."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import structlog

log = structlog.get_logger(__name__)

KEPT_SECONDS = 30.0
"""Longer than most pauses between two sentences. Services and routers forget idle connections, some without a word."""


class Opened(Exception):  # noqa: N818  # it tells of success
    """The connection is open, and nothing shall be asked through it yet."""


class Connector(aiohttp.TCPConnector):
    """A connector for one text, that only ``drop`` closes.

    edge-tts closes it with its session, and then wants to use it again: to repeat what was refused for a wrong clock,
    and for the next part of a long text.
    """

    def __init__(self) -> None:
        super().__init__(keepalive_timeout=KEPT_SECONDS)
        self.ahead = False
        """Whether who connects only wants the connection to be open: ``connect`` keeps it, and raises Opened."""
        self._kept: asyncio.Transport | None = None
        self._kept_until = 0.0

    @property
    def open(self) -> bool:
        """Whether a connection is there, as far as can be known without using it."""
        return self._kept is not None and not self._kept.is_closing() and self._loop.time() < self._kept_until

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # it is aiohttp's method
    ) -> aiohttp.connector.Connection:
        """Give a connection to who asks for it in earnest."""
        connection = await super().connect(req, traces, timeout)
        if not self.ahead:
            return connection
        self._kept = connection.transport
        self._kept_until = self._loop.time() + KEPT_SECONDS
        connection.release()
        raise Opened

    async def close(self, *, abort_ssl: bool = False) -> None:
        return

    async def drop(self) -> None:
        """Close it and, without a farewell, all its connections."""
        await super().close(abort_ssl=True)


class Spare:
    """At most one connection, open or being opened, for the next text."""

    def __init__(self, dial: Callable[[Connector], Awaitable[object]], seconds: float) -> None:
        """``dial`` asks for something through the connector, as a text would; it gets ``seconds``."""
        self._dial = dial
        self._seconds = seconds
        self._connector: Connector | None = None
        self._opening: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Open a connection, unless one is there."""
        if self._idle and not (self._connector and self._connector.open):
            self._opening = asyncio.create_task(self._open(), name="connection ahead")

    async def take(self) -> Connector:
        """Give a connector, with an open connection where there is one; one that is being opened is awaited."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        connector, self._connector = self._connector, None
        if connector is None:
            return Connector()
        if connector.open:
            connector.ahead = False
            return connector
        await connector.drop()
        return Connector()

    async def drop(self) -> None:
        """Close what is open."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        connector, self._connector = self._connector, None
        if connector is not None:
            await connector.drop()

    @property
    def _idle(self) -> bool:
        return self._opening is None or self._opening.done()

    async def _open(self) -> None:
        connector = Connector()
        connector.ahead = True
        useless: Connector | None = connector
        try:
            async with asyncio.timeout(self._seconds):
                await self._dial(connector)
        except Opened:
            useless, self._connector = self._connector, connector
        except Exception as error:  # noqa: BLE001  # the text meets it too, and tells what it is
            log.debug("connection_ahead_failed", problem=type(error).__name__)
        finally:
            if useless is not None:
                await useless.drop()
