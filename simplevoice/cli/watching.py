"""The screen of ``simplevoice status``."""

import asyncio

import aiohttp
import click
import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simplevoice.address import status_url
from simplevoice.cli.connecting import http_session, with_hint
from simplevoice.cli.output import console, duration, milliseconds
from simplevoice.cli.target import Target
from simplevoice.errors import ConnectionFailedError
from simplevoice.reach import unreachable

ANSWER_SECONDS = 5.0

GOOD, BAD, MIDDLING = "green", "red", "yellow"
COLOURS = {"available": GOOD, "ready": GOOD, "stopped": BAD, "failed": BAD, "open": BAD}


class EngineView(msgspec.Struct, frozen=True):
    """An engine's health, as much of it as is shown. ``active`` and ``breaker`` are speech's."""

    engine: str = ""
    state: str = ""
    model: str | None = None
    device: str | None = None
    detail: str | None = None
    active: str | None = None
    breaker: str | None = None


class ConnectionView(msgspec.Struct, frozen=True):
    """A connection, as much of it as is shown."""

    connection_id: str
    session_id: str
    language: str
    voice_type: str
    duration_seconds: float
    message_count: int
    state: str
    last_response_time_ms: int | None = None
    client: str | None = None
    address: str = "-"


class PercentilesView(msgspec.Struct, frozen=True):
    """Milliseconds, None before the first turn."""

    p50: float | None = None
    p95: float | None = None


class PerformanceView(msgspec.Struct, frozen=True):
    """How fast the last turns were."""

    target_response_time: str
    turns: int
    response_time_ms: PercentilesView
    first_audio_ms: PercentilesView


class StatusView(msgspec.Struct, frozen=True):
    """What the screen shows of the status; whatever else a newer daemon tells is passed over."""

    status: str
    version: str
    uptime_seconds: float
    active_connections: int
    connections: list[ConnectionView]
    service_health: dict[str, EngineView]
    performance: PerformanceView


async def show(daemon: Target, *, raw: bool) -> int:
    """Print the status once. Raises ConnectionFailedError when no daemon answers."""
    url = status_url(daemon.url)
    async with _session(daemon) as session:
        body = await _fetch(session, url)
    if raw:
        click.echo(body.decode())
    else:
        console().print(draw(_decode(url, body), url))
    return 0


async def read_status(daemon: Target) -> StatusView:
    """Ask for the status once. Raises ConnectionFailedError when no daemon answers."""
    async with _session(daemon) as session:
        return _decode(status_url(daemon.url), await _fetch(session, status_url(daemon.url)))


async def watch_until_interrupted(daemon: Target, interval: float, *, raw: bool) -> int:
    """Print the status again and again; a daemon that is away is shown as such, and waited for."""
    out, url = console(), status_url(daemon.url)
    async with _session(daemon) as session:
        if raw or not out.is_terminal:
            while True:
                body = await _fetch(session, url)
                if raw:
                    click.echo(body)
                else:
                    out.print(draw(_decode(url, body), url))
                await asyncio.sleep(interval)
        with Live(console=out, auto_refresh=False, screen=True) as live:
            while True:
                live.update(await _frame(session, url), refresh=True)
                await asyncio.sleep(interval)


def _session(daemon: Target) -> aiohttp.ClientSession:
    return http_session(daemon, timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    try:
        async with session.get(url, raise_for_status=True) as response:
            return await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unreachable(url, error) from error


def _decode(url: str, body: bytes) -> StatusView:
    try:
        return msgspec.json.decode(body, type=StatusView)
    except msgspec.DecodeError as error:
        raise ConnectionFailedError(f"{url} is not the status of a simplevoice daemon: {error}") from None


async def _frame(session: aiohttp.ClientSession, url: str) -> RenderableType:
    try:
        return draw(_decode(url, await _fetch(session, url)), url)
    except ConnectionFailedError as error:
        return Text(with_hint(error), style=BAD)


def draw(status: StatusView, url: str) -> RenderableType:
    """Draw the whole screen."""
    return Group(_head(status, url), "", _engines(status), "", *_connections(status), _performance(status.performance))


def _head(status: StatusView, url: str) -> Text:
    count = status.active_connections
    return Text.assemble(
        (f"simplevoice {status.version}", "bold"),
        "  ",
        (f"● {status.status}", COLOURS.get(status.status, MIDDLING)),
        f"  up {duration(status.uptime_seconds)}, {count} connection{'' if count == 1 else 's'}",
        (f"\n{url}", "dim"),
    )


def _engines(status: StatusView) -> RenderableType:
    table = _table("engine", "name", "model", "device", "state", "")
    for role, engine in status.service_health.items():
        state = Text(engine.state, style=COLOURS.get(engine.state, MIDDLING))
        name = engine.engine if engine.active in (None, engine.engine) else f"{engine.engine}, now {engine.active}"
        table.add_row(role, name, engine.model or "-", engine.device or "-", state, _remarks(engine))
    return table


def _remarks(engine: EngineView) -> str:
    breaker = f"breaker {engine.breaker}" if engine.breaker not in (None, "closed") else None
    return "; ".join(remark for remark in (breaker, engine.detail) if remark)


def _connections(status: StatusView) -> list[RenderableType]:
    if not status.connections:
        return []
    table = _table("connection", "session", "speaks", "voice", "state", "turns", "last", "for", "client")
    for row in status.connections:
        last = "-" if row.last_response_time_ms is None else milliseconds(row.last_response_time_ms)
        table.add_row(
            row.connection_id,
            row.session_id,
            row.language,
            row.voice_type,
            row.state,
            str(row.message_count),
            last,
            duration(row.duration_seconds),
            row.client or row.address,
        )
    return [table, ""]


def _performance(performance: PerformanceView) -> Text:
    if not performance.turns:
        return Text("no turn yet", style="dim")
    spans = {"answer": performance.response_time_ms, "first audio": performance.first_audio_ms}
    known = [
        f"{words} in {milliseconds(span.p50)} (median), {milliseconds(span.p95)} (95 %)"
        for words, span in spans.items()
        if span.p50 is not None and span.p95 is not None
    ]
    count = f"{performance.turns} turn{'' if performance.turns == 1 else 's'}"
    return Text("; ".join([count, *known]) + f"; target {performance.target_response_time}")


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
