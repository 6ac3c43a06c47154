"""What sysadmins and load balancers ask: status, metrics, health, readiness; and the schema for client authors."""

from typing import Literal

import msgspec
from aiohttp import web

from simplevoice import __version__
from simplevoice.performance import TARGET_RESPONSE_TIME, Percentiles, Performance
from simplevoice.protocol import json_schema
from simplevoice.registry import ConnectionSnapshot
from simplevoice.server.admission.door import is_authorized, require_token
from simplevoice.server.keys import LIFECYCLE, METRICS, REGISTRY, SERVICE
from simplevoice.server.metrics import CONTENT_TYPE
from simplevoice.service import ServiceHealth
from simplevoice.types import AUDIO_FORMATS, INPUT_FORMATS, LANGUAGES, VOICE_TYPES

ServiceStatus = Literal["available", "degraded", "draining", "starting"]


class PerformanceStatus(msgspec.Struct, frozen=True):
    """How fast the last turns were."""

    target_response_time: str
    turns: int
    response_time_ms: Percentiles
    first_audio_ms: Percentiles
    supported_languages: tuple[str, ...] = LANGUAGES
    voice_types: tuple[str, ...] = VOICE_TYPES


class AudioFormats(msgspec.Struct, frozen=True):
    """What is taken and given."""

    input: tuple[str, ...] = INPUT_FORMATS
    output: tuple[str, ...] = AUDIO_FORMATS


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """``/ws/simple-voice-chat/status``. ``connections`` is empty for a caller without the token that is asked for."""

    service: str = "simple_voice_chat"
    status: ServiceStatus
    version: str = __version__
    uptime_seconds: float
    active_connections: int
    connections: list[ConnectionSnapshot]
    service_health: ServiceHealth
    performance: PerformanceStatus
    audio_formats: AudioFormats = AudioFormats()


async def status(request: web.Request) -> web.Response:
    """Tell who is connected and how the engines are."""
    app = request.app
    health = app[SERVICE].health()
    registry = app[REGISTRY]
    return _json(
        Status(
            status=_service_status(app, health),
            uptime_seconds=round(app[LIFECYCLE].uptime_seconds, 3),
            active_connections=len(registry),
            connections=registry.snapshot() if is_authorized(request) else [],
            service_health=health,
            performance=_performance(app[SERVICE].performance),
        )
    )


async def schema(request: web.Request) -> web.Response:
    """Give the JSON Schema of every message."""
    return _json(json_schema())


async def metrics(request: web.Request) -> web.Response:
    """Give the figures for Prometheus, to a caller with the token that is asked for."""
    require_token(request)
    return web.Response(body=await request.app[METRICS].render(), headers={"Content-Type": CONTENT_TYPE})


async def healthz(request: web.Request) -> web.Response:
    """Answer while the event loop turns."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 only when a turn could be run now."""
    app = request.app
    why_not = app[LIFECYCLE].why_not_ready(app[SERVICE].health())
    return web.Response(text="ready\n") if why_not is None else web.Response(status=503, text=f"{why_not}\n")


def _service_status(app: web.Application, health: ServiceHealth) -> ServiceStatus:
    phase = app[LIFECYCLE].phase
    if phase != "running":
        return phase
    return "available" if health.good else "degraded"


def _performance(performance: Performance) -> PerformanceStatus:
    return PerformanceStatus(
        TARGET_RESPONSE_TIME, performance.turns, performance.response_time_ms, performance.first_audio_ms
    )


def _json(content: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type="application/json")
