"""What the daemon is at the moment of a scrape: read from those who know it, so that nothing is kept twice."""

import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar, get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from simplevoice import __version__
from simplevoice.engines.breaker import BreakerState
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.registry import ConnectionRegistry, ConnectionState
from simplevoice.server.lifecycle import Lifecycle, Phase
from simplevoice.server.live import Live
from simplevoice.server.traffic import Traffic
from simplevoice.service import ServiceHealth, SimpleVoiceService


class Snapshot(Collector):
    """The state of one application, as metrics."""

    def __init__(
        self,
        service: SimpleVoiceService,
        connections: ConnectionRegistry,
        lifecycle: Lifecycle,
        live: Live,
        traffic: Traffic,
    ) -> None:
        self._service = service
        self._connections = connections
        self._lifecycle = lifecycle
        self._live = live
        self._traffic = traffic

    def describe(self) -> list[Metric]:
        """Name nothing ahead, which would cost as much as a scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask everybody."""
        yield from self._daemon()
        yield from self._connected()
        yield from self._turns()
        yield from self._engines()
        yield from self._bytes()

    def _daemon(self) -> Iterator[Metric]:
        versions = {(__version__, platform.python_version()): 1}
        yield _gauge("build_info", "The version that runs.", versions, "version", "python")
        phases = {(phase,): phase == self._lifecycle.phase for phase in get_args(Phase)}
        yield _gauge("phase", "Where the daemon stands between its start and its end.", phases, "phase")
        ready = self._lifecycle.why_not_ready(self._service.health()) is None
        yield _gauge("ready", "Whether a turn could be run now.", {(): ready})

    def _connected(self) -> Iterator[Metric]:
        connections = list(self._connections)
        count = Counter(connection.state for connection in connections)
        states = {(state,): count[state] for state in get_args(ConnectionState)}
        yield _gauge("connections", "Connections by what their conversation is doing.", states, "state")
        limit = self._live.config.limits.max_connections
        yield _gauge("connections_limit", "Connections that are let in at once.", {(): limit})
        waiting = sum(connection.waiting for connection in connections)
        yield _gauge("utterances_waiting", "Utterances that wait behind a turn of their connection.", {(): waiting})
        messages = sum(connection.queued_messages for connection in connections)
        yield _gauge("outgoing_queue_messages", "Messages that wait to be sent.", {(): messages})
        sizes = [connection.queued_bytes for connection in connections]
        yield _gauge("outgoing_queue_bytes", "Size of what waits to be sent.", {(): sum(sizes)})
        yield _gauge(
            "outgoing_queue_fullest_bytes", "Size of what waits on the fullest connection.", {(): max(sizes, default=0)}
        )

    def _turns(self) -> Iterator[Metric]:
        turnstile = self._service.turnstile
        yield _gauge("turns_in_progress", "Turns that hold a place.", {(): turnstile.in_progress})
        yield _gauge("turns_waiting", "Turns that wait for a place.", {(): turnstile.waiting})
        yield _gauge("turns_limit", "Turns that may be in progress at once.", {(): turnstile.places})

    def _engines(self) -> Iterator[Metric]:
        engines = list(_ranked(self._service.health()))
        info = {(role, rank, e.engine, e.model or "", e.device or ""): 1 for role, rank, e in engines}
        yield _gauge("engine_info", "Who works at what, with what.", info, "role", "rank", "engine", "model", "device")
        states = {(role, rank, s): s == e.state for role, rank, e in engines for s in get_args(EngineState)}
        yield _gauge("engine_state", "State of each engine.", states, "role", "rank", "state")
        waiting = {(role, rank): e.waiting for role, rank, e in engines}
        yield _gauge(
            "engine_waiting_requests", "Requests that wait for a place in the engine.", waiting, "role", "rank"
        )
        guarded = [(role, rank, e.breaker) for role, rank, e in engines if e.breaker is not None]
        breakers = {(role, rank, state): state == b for role, rank, b in guarded for state in get_args(BreakerState)}
        yield _gauge("breaker_state", "State of the breaker before an engine.", breakers, "role", "rank", "state")
        seconds = {(role,): seconds for role, seconds in self._service.load_seconds.items()}
        yield _gauge("engine_load_seconds", "How long it took last to load.", seconds, "role")

    def _bytes(self) -> Iterator[Metric]:
        traffic = self._traffic
        received = {("text",): traffic.text_in, ("binary",): traffic.binary_in}
        yield _counter("received_bytes", "Size of messages from clients; audio in base64 is text.", received, "kind")
        sent = {("text",): traffic.text_out, ("binary",): traffic.binary_out}
        yield _counter("sent_bytes", "Size of messages to clients; audio in base64 is text.", sent, "kind")


def _ranked(health: ServiceHealth) -> Iterator[tuple[str, str, EngineHealth]]:
    """Give each role's engine, rank 0, and those that stand by for it."""
    for role in health.__struct_fields__:
        first: EngineHealth = getattr(health, role)
        for rank, engine in enumerate((first, *first.fallbacks)):
            yield role, str(rank), engine


L = TypeVar("L", bound=tuple[str, ...])


def _gauge(name: str, what: str, samples: Mapping[L, float], *labels: str) -> Metric:
    return _with(GaugeMetricFamily(f"simplevoice_{name}", what, labels=labels), samples)


def _counter(name: str, what: str, samples: Mapping[L, float], *labels: str) -> Metric:
    return _with(CounterMetricFamily(f"simplevoice_{name}", what, labels=labels), samples)


def _with(family: GaugeMetricFamily | CounterMetricFamily, samples: Mapping[L, float]) -> Metric:
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family
