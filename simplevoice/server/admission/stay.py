"""How long a client that was let in may stay: one look at all of them takes the place of timers for each."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from simplevoice.config import LimitsConfig
from simplevoice.outgoing import CLOSE_POLICY
from simplevoice.protocol import GoingAway
from simplevoice.registry import Connection
from simplevoice.server.admission.tokens import TokenStore
from simplevoice.shielded import to_its_end

LOOK_SECONDS = 0.5
"""So much later than it should an end may come. 10,000 connections are looked at in some ms."""

TOKEN_REVOKED, TIME_LIMIT, IDLE = "token revoked", "session time limit", "idle timeout"


class Stay(msgspec.Struct, gc=False):
    """That of one client; times on the monotonic clock."""

    idle_seconds: float
    drain_seconds: float
    ends_at: float
    quiet_since: float
    """Infinite while a message is worked on: then the client is not idle."""


class Stays:
    """Ends connections whose time is over, which are silent for too long, or whose token is no longer good."""

    def __init__(self, tokens: TokenStore) -> None:
        self._tokens = tokens
        self._stays: dict[Connection, Stay] = {}
        self._ending: dict[Connection, asyncio.Task[None]] = {}

    def begin(self, connection: Connection, limits: LimitsConfig) -> Stay:
        """Let a connection stay as long as the limits allow."""
        now = time.monotonic()
        ends_at = now + (limits.max_session_seconds or math.inf)
        stay = self._stays[connection] = Stay(limits.idle_timeout_seconds, limits.drain_seconds, ends_at, now)
        return stay

    async def leave(self, connection: Connection, code: int, reason: str) -> None:
        """Close a connection, whose end is looked after no more."""
        del self._stays[connection]
        ending = self._ending.pop(connection, None)
        if ending is not None:
            ending.cancel()
        await connection.close(code, reason)
        if ending is not None:
            await asyncio.wait([ending])

    async def watch(self) -> None:
        """Look again and again until cancelled, and at once when the tokens are replaced."""
        while True:
            for connection, reason in list(self._over()):
                ending = _end(connection, reason, self._stays[connection].drain_seconds)
                self._ending[connection] = asyncio.create_task(ending, name="end of stay")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._tokens.replaced()

    def _over(self) -> Iterator[tuple[Connection, str]]:
        now = time.monotonic()
        for connection, stay in self._stays.items():
            if connection in self._ending:
                continue
            if not self._tokens.welcomes(connection.client.token):
                yield connection, TOKEN_REVOKED
            elif now >= stay.ends_at:
                yield connection, TIME_LIMIT
            elif now >= stay.quiet_since + stay.idle_seconds:
                yield connection, IDLE


async def _end(connection: Connection, reason: str, drain_seconds: float) -> None:
    """Close a connection; who has had its time is told before, and its turn may end within ``drain_seconds``."""
    if reason == TIME_LIMIT:
        await connection.send(GoingAway(deadline_seconds=drain_seconds))
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await connection.finish_turns()
    await to_its_end(connection.close(CLOSE_POLICY, reason))
