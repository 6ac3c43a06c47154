"""How long a client that was let in may stay."""

import asyncio
from contextlib import suppress

from simplevoice.config import LimitsConfig
from simplevoice.protocol import GoingAway
from simplevoice.registry import CLOSE_POLICY, Connection
from simplevoice.server.admission.tokens import TokenStore
from simplevoice.server.shielded import to_its_end


async def end_of_stay(connection: Connection, tokens: TokenStore, limits: LimitsConfig) -> None:
    """Wait until the time of a connection is over or its token is no longer good, and close it.

    Over time, the client is told, and its turn may end within ``drain_seconds``; without a good token it goes at once.
    """
    reason = "token revoked"
    try:
        async with asyncio.timeout(limits.max_session_seconds or None):
            await tokens.until_revoked(connection.client.token)
    except TimeoutError:
        reason = "session time limit"
        await connection.send(GoingAway(deadline_seconds=limits.drain_seconds))
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.drain_seconds):
                await connection.finish_turns()
    await to_its_end(connection.close(CLOSE_POLICY, reason))
