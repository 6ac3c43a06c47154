"""The WebSocket of a client that may be hostile."""

import asyncio
from collections.abc import Sequence

from simplevoice.server.traffic import CountingSocket, Traffic

HEARTBEAT_SECONDS = 20.0
"""Between the pings that find out that a client is gone."""
LINGER_SECONDS = 10.0
"""How long a client may take to read what was sent before the end."""


class ClientSocket(CountingSocket):
    """A WebSocket that leaves pings to its reader, takes nothing compressed, and can be dropped."""

    def __init__(self, max_message_bytes: int, traffic: Traffic, protocols: Sequence[str] = ()) -> None:
        # aiohttp's own pong waits, without a deadline, for a client that does not read.
        super().__init__(
            traffic,
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=max_message_bytes,
            compress=False,
            autoping=False,
            protocols=protocols,
        )

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent before is still held here."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Drop the connection with all that was not sent."""
        if self._transport is not None:
            self._transport.abort()

    def release(self) -> None:
        """Leave the connection, closed, to itself, but not for ever: what was not sent stays until it is read."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self.abort)

    @property
    def _transport(self) -> asyncio.Transport | None:
        return self._req.transport if self._req is not None else None
