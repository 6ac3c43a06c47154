"""How conversations end when the daemon does: told, finished, closed."""

import asyncio
from contextlib import suppress

import structlog
from aiohttp import web

from simplevoice.outgoing import CLOSE_GOING_AWAY
from simplevoice.protocol import GoingAway
from simplevoice.registry import Connection
from simplevoice.server.keys import LIFECYCLE, LIVE, REGISTRY, SPEECHES

log = structlog.get_logger(__name__)

GRACE_SECONDS = 0.5
"""What clients sent before they heard of the drain is here by then."""

CLOSE_SECONDS = 5.0
"""For the closing handshakes of those that the deadline cuts off."""


async def drain(app: web.Application) -> None:
    """Let in nobody more, let turns and utterances end within the time that is set, and close everybody."""
    app[LIFECYCLE].phase = "draining"
    seconds = app[LIVE].config.limits.drain_seconds
    registry = app[REGISTRY]
    connections = list(registry)
    log.info("draining", connections=len(connections), speeches=len(app[SPEECHES]), deadline_seconds=seconds)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(app[SPEECHES].finish(), *(_see_off(c, seconds) for c in connections))
    except TimeoutError:
        log.warning("drain_deadline_passed", connections=len(registry))
    await close_all(app)


async def _see_off(connection: Connection, seconds: float) -> None:
    await connection.send(GoingAway(deadline_seconds=seconds))
    await asyncio.sleep(GRACE_SECONDS)
    await connection.finish_turns()
    await connection.close(CLOSE_GOING_AWAY, "going away")


async def close_all(app: web.Application) -> None:
    """Close whoever is left, and leave behind whoever does not answer to that."""
    registry = app[REGISTRY]
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.gather(*(c.close(CLOSE_GOING_AWAY, "going away") for c in registry))
