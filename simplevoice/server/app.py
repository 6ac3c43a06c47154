"""The application: its routes, what its handlers share, and the order in which it goes down."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from simplevoice.config import Config
from simplevoice.history import SessionStore
from simplevoice.protocol import GoingAway
from simplevoice.registry import CLOSE_GOING_AWAY, ConnectionRegistry
from simplevoice.server.keys import LIFECYCLE, LIVE, METRICS, REGISTRY, SERVICE, SESSIONS, TRAFFIC
from simplevoice.server.lifecycle import Lifecycle
from simplevoice.server.live import Live
from simplevoice.server.loop_lag import watch_loop
from simplevoice.server.metrics import Metrics
from simplevoice.server.snapshot import Snapshot
from simplevoice.server.status import healthz, metrics, readyz, schema, status
from simplevoice.server.traffic import Traffic
from simplevoice.server.websocket import simple_voice_chat
from simplevoice.service import SimpleVoiceService, create_service

log = structlog.get_logger(__name__)

ROUTES = (
    ("/ws/simple-voice-chat", simple_voice_chat),
    ("/ws/simple-voice-chat/status", status),
    ("/ws/simple-voice-chat/schema", schema),
    ("/healthz", healthz),
    ("/readyz", readyz),
    ("/metrics", metrics),
)


def create_app(config: Config, service: SimpleVoiceService | None = None) -> web.Application:
    """Make the application. It answers at once, and takes conversations when ``start_service`` is through."""
    app = web.Application()
    app[LIVE] = Live(config)
    app[LIFECYCLE] = Lifecycle()
    app[REGISTRY] = ConnectionRegistry(config.limits.max_connections)
    app[SESSIONS] = SessionStore(config.limits)
    app[SERVICE] = service or create_service(config)
    app[TRAFFIC] = Traffic()
    app[METRICS] = Metrics(app[SERVICE], Snapshot(app[SERVICE], app[REGISTRY], app[LIFECYCLE], app[TRAFFIC]))
    app[SERVICE].observation.subscribe(app[METRICS].turn_ended)
    for prefix in ("", *config.server.path_prefixes):
        app.add_routes([web.get(prefix + path, handler) for path, handler in ROUTES])
    app.on_shutdown.append(drain)
    app.cleanup_ctx.append(_close_service)
    app.cleanup_ctx.append(_measure_loop)
    return app


async def start_service(app: web.Application) -> None:
    """Load the engines and open the door. Raises EngineError or ModelError."""
    await app[SERVICE].start()
    app[LIFECYCLE].phase = "running"
    log.info("ready")


async def drain(app: web.Application) -> None:
    """Let turns in progress end within the time that is set, then close everybody."""
    app[LIFECYCLE].phase = "draining"
    deadline = app[LIVE].config.limits.drain_seconds
    registry = app[REGISTRY]
    connections = list(registry)
    log.info("draining", connections=len(connections), deadline_seconds=deadline)
    try:
        async with asyncio.timeout(deadline):
            await asyncio.gather(*(c.send(GoingAway(deadline_seconds=deadline)) for c in connections))
            await asyncio.gather(*(c.finish_turns() for c in connections))
    except TimeoutError:
        log.warning("drain_deadline_passed")
    await asyncio.gather(*(c.close(CLOSE_GOING_AWAY, "going away") for c in connections))


async def _close_service(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SERVICE].close()


async def _measure_loop(app: web.Application) -> AsyncIterator[None]:
    ticker = asyncio.create_task(watch_loop(app[METRICS].loop_lagged), name="loop lag")
    yield
    ticker.cancel()
    await asyncio.wait([ticker])
