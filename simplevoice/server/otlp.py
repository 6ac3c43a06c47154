"""A trace of every turn, for a collector that speaks OTLP over HTTP: the turn is a span, and so is each of its stages.

Spans are made of a turn's report when the turn is over, with the times that stand there; the turn itself knows nothing
of it. The collector is told by a thread, from a bounded queue. No word of what was said is in a span.

Imported only where turns are traced: OpenTelemetry is an extra.
"""

import asyncio
import os
import threading
from contextlib import suppress

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from simplevoice import __version__
from simplevoice.config import TracesConfig
from simplevoice.observation import TurnReport
from simplevoice.server.tracing import stages

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 2.0
"""A collector that does not take the last spans within this time does not get them."""


class Traces:
    """Sends spans until it is closed."""

    def __init__(self, config: TracesConfig) -> None:
        """Get ready to send. Blocks: the environment names files to be read."""
        about = {"service.version": __version__}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            about["service.name"] = "simplevoice"
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        endpoint = f"{config.endpoint.rstrip('/')}/v1/traces" if config.endpoint else None
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        self._tracer = self._provider.get_tracer("simplevoice", __version__)

    def turn_ended(self, report: TurnReport) -> None:
        """Make the spans of a turn, or of a speech."""

        def at(milliseconds: int) -> int:
            return round(report.ended_at * 1e9) + milliseconds * 1_000_000

        turn = self._tracer.start_span(report.kind, Context(), start_time=at(0), attributes=_attributes(report))
        inside = set_span_in_context(turn, Context())
        for stage in stages(report):
            engine = {"simplevoice.engine": stage.engine} if stage.engine else {}
            span = self._tracer.start_span(stage.name, inside, start_time=at(stage.start), attributes=engine)
            span.end(at(stage.end))
        if report.outcome == "failed":
            turn.set_status(Status(StatusCode.ERROR, report.reason))
        turn.end(at(report.times.total))

    async def close(self) -> None:
        """Send what is left, within CLOSE_SECONDS."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=shut_down, name="traces-close", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await closed.wait()
        except TimeoutError:
            log.warning("traces_lost", why="the collector did not take the last ones in time")


def _attributes(report: TurnReport) -> dict[str, str | int | bool]:
    facts = {
        "connection_id": report.connection_id,
        "session_id": report.session_id,
        "turn_id": report.turn_id,
        "language": report.language,
        "utterance": report.utterance,
        "outcome": report.outcome,
        "reason": report.reason,
        "hallucinated": report.work.hallucinated,
        "audio_ms": report.work.audio_ms,
        "reply_ms": report.reply_ms,
    }
    return {f"simplevoice.{name}": fact for name, fact in facts.items() if fact is not None}
