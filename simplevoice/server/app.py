"""The application: its routes, what its handlers share, and the order in which it goes down."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from simplevoice import logs
from simplevoice.config import Config
from simplevoice.history import SessionStore
from simplevoice.registry import ConnectionRegistry
from simplevoice.server import pages
from simplevoice.server.admission.cross_origin import preflight
from simplevoice.server.admission.door import check_host
from simplevoice.server.admission.places import Places
from simplevoice.server.admission.stay import Stays
from simplevoice.server.admission.ticket import issue_ticket
from simplevoice.server.admission.tickets import Tickets
from simplevoice.server.admission.tokens import TokenStore
from simplevoice.server.drain import close_all
from simplevoice.server.keys import (
    LIFECYCLE,
    LIVE,
    METRICS,
    PLACES,
    REGISTRY,
    SERVICE,
    SESSIONS,
    SPEECHES,
    STAYS,
    TICKETS,
    TOKENS,
    TRAFFIC,
)
from simplevoice.server.lifecycle import Lifecycle
from simplevoice.server.live import Commit, Live
from simplevoice.server.loop_lag import watch_loop
from simplevoice.server.metrics import Metrics
from simplevoice.server.snapshot import Snapshot
from simplevoice.server.speak import MAX_BODY_BYTES, speak
from simplevoice.server.speeches import Speeches
from simplevoice.server.status import healthz, metrics, readyz, schema, status
from simplevoice.server.tracing import are_wanted
from simplevoice.server.traffic import Traffic
from simplevoice.server.websocket import simple_voice_chat
from simplevoice.service import SimpleVoiceService, create_service

if TYPE_CHECKING:
    from simplevoice.server.otlp import Traces

log = structlog.get_logger(__name__)

UNLOAD_SECONDS = 5.0
"""An engine that is stuck at something can't be unloaded, and may not hold up the end."""

ROUTES = (
    web.get("/ws/simple-voice-chat", simple_voice_chat),
    web.post("/ws/simple-voice-chat/ticket", issue_ticket),
    web.options("/ws/simple-voice-chat/ticket", preflight),
    web.post("/ws/simple-voice-chat/speak", speak),
    web.options("/ws/simple-voice-chat/speak", preflight),
    web.get("/ws/simple-voice-chat/status", status),
    web.get("/ws/simple-voice-chat/schema", schema),
    web.get("/healthz", healthz),
    web.get("/readyz", readyz),
    web.get("/metrics", metrics),
    *pages.ROUTES,
)


def create_app(config: Config, service: SimpleVoiceService | None = None) -> web.Application:
    """Make the application. It answers at once, and takes conversations when ``start_service`` is through.

    Raises ConfigError when the settings ask for something that is not installed.
    """
    app = web.Application(middlewares=[_count_refusals, check_host], client_max_size=MAX_BODY_BYTES)
    app[LIVE] = Live(config)
    app[LIFECYCLE] = Lifecycle()
    app[TOKENS] = TokenStore()
    app[STAYS] = Stays(app[TOKENS])
    app[TICKETS] = Tickets()
    app[PLACES] = Places()
    app[SPEECHES] = Speeches()
    app[REGISTRY] = ConnectionRegistry()
    app[SESSIONS] = SessionStore(config.limits)
    app[SERVICE] = service or create_service(config)
    app[TRAFFIC] = Traffic()
    snapshot = Snapshot(app[SERVICE], app[REGISTRY], app[LIFECYCLE], app[LIVE], app[TRAFFIC])
    app[METRICS] = Metrics(app[SERVICE], snapshot)
    app[SERVICE].observation.subscribe(app[METRICS].turn_ended)
    for prefix in ("", *config.server.path_prefixes):
        app.add_routes([web.route(route.method, prefix + route.path, route.handler) for route in ROUTES])
        if prefix:
            app.add_routes([web.get(prefix, pages.add_slash)])
    app[LIVE].parts += [
        app[TOKENS].prepare,
        partial(_prepare_sessions, app),
        _prepare_logs,
        partial(_prepare_engines, app),
    ]
    app.on_startup.append(_read_tokens)
    app.on_shutdown.append(close_all)
    app.cleanup_ctx.append(_close_service)
    app.cleanup_ctx.append(_watch)
    if are_wanted(config.traces):
        app.cleanup_ctx.append(_trace_turns)
    return app


@web.middleware
async def _count_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPError as refusal:
        request.app[METRICS].request_refused(refusal.status)
        raise


async def start_service(app: web.Application) -> None:
    """Load the engines and open the door. Raises EngineError or ModelError."""
    await app[SERVICE].start()
    app[LIFECYCLE].phase = "running"
    log.info("ready")


async def _read_tokens(app: web.Application) -> None:
    """Know who may come in before anybody can; raises ConfigError."""
    put_in_force = await app[TOKENS].prepare(app[LIVE].config)
    put_in_force()


async def _prepare_sessions(app: web.Application, config: Config) -> Commit:
    def commit() -> None:
        app[SESSIONS].limits = config.limits

    return commit


async def _prepare_logs(config: Config) -> Commit:
    return lambda: logs.set_levels(config.logging)


async def _prepare_engines(app: web.Application, config: Config) -> Commit:
    return await app[SERVICE].prepare(app[LIVE].config, config)


async def _close_service(app: web.Application) -> AsyncIterator[None]:
    yield
    try:
        async with asyncio.timeout(UNLOAD_SECONDS):
            await app[SERVICE].close()
    except TimeoutError:
        log.warning("engines_do_not_unload")


async def _watch(app: web.Application) -> AsyncIterator[None]:
    watching = [
        asyncio.create_task(watch_loop(app[METRICS].loop_lagged), name="loop lag"),
        asyncio.create_task(app[STAYS].watch(), name="stays"),
    ]
    yield
    for task in watching:
        task.cancel()
    await asyncio.wait(watching)


async def _trace_turns(app: web.Application) -> AsyncIterator[None]:
    def open_traces() -> "Traces":
        from simplevoice.server.otlp import Traces  # brings OpenTelemetry, an extra

        return Traces(app[LIVE].config.traces)

    traces = await asyncio.to_thread(open_traces)
    app[SERVICE].observation.subscribe(traces.turn_ended)
    yield
    await traces.close()
