"""The application: its routes, what its handlers share, and the order in which it goes down."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from simplevoice.config import Config
from simplevoice.history import SessionStore
from simplevoice.registry import ConnectionRegistry
from simplevoice.server.drain import close_all
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

UNLOAD_SECONDS = 5.0
"""An engine that is stuck at something can't be unloaded, and may not hold up the end."""

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
    app.on_shutdown.append(close_all)
    app.cleanup_ctx.append(_close_service)
    app.cleanup_ctx.append(_measure_loop)
    return app


async def start_service(app: web.Application) -> None:
    """Load the engines and open the door. Raises EngineError or ModelError."""
    await app[SERVICE].start()
    app[LIFECYCLE].phase = "running"
    log.info("ready")


async def _close_service(app: web.Application) -> AsyncIterator[None]:
    yield
    try:
        async with asyncio.timeout(UNLOAD_SECONDS):
            await app[SERVICE].close()
    except TimeoutError:
        log.warning("engines_do_not_unload")


async def _measure_loop(app: web.Application) -> AsyncIterator[None]:
    ticker = asyncio.create_task(watch_loop(app[METRICS].loop_lagged), name="loop lag")
    yield
    ticker.cancel()
    await asyncio.wait([ticker])
