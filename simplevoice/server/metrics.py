"""``/metrics``: the daemon's figures in Prometheus' text format.

What happens is counted here when it happens; what is, such as connections and the state of engines, is asked for at
the scrape, by ``snapshot``. Labels are languages, engines and words of closed lists, never ids: there is a bound to
their number.
"""

import asyncio
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from simplevoice.errors import ErrorCode
from simplevoice.observation import TurnReport
from simplevoice.server.snapshot import Snapshot
from simplevoice.service import SimpleVoiceService
from simplevoice.types import LANGUAGES

SPEECH_BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Seconds: fine where people notice a difference, up to the longest that anybody waits."""

LAG_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Seconds. Streams come in pieces of 20 to 100 ms; a loop that is later than that is heard."""

FAILURES = (
    ErrorCode.TRANSCRIPTION_FAILED,
    ErrorCode.REPLY_FAILED,
    ErrorCode.SPEECH_FAILED,
    ErrorCode.TURN_TIMEOUT,
    ErrorCode.INTERNAL_ERROR,
)
"""Counted from zero on, so that already the first failure is an increase."""
SPEECH_FAILURES = (ErrorCode.SPEECH_FAILED, ErrorCode.TURN_TIMEOUT, ErrorCode.INTERNAL_ERROR)

CLOSE_CODES = (1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1013)
"""Those of the daemon, and those of clients that end as they should or break off (RFC 6455, 7.4.1)."""

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# A second series for every counter, of no use in this format.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations


class Metrics:
    """The figures of one application."""

    def __init__(self, service: SimpleVoiceService, snapshot: Snapshot) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        self._registry.register(snapshot)
        self._turns = self._counter("turns", "Turns by what became of them.", "language", "outcome", "reason")
        self._stages = Histogram(
            "simplevoice_turn_stage_seconds",
            "Time from the end of the user's audio until a stage of the turn was reached.",
            ("stage", "language", "engine"),
            registry=self._registry,
            buckets=SPEECH_BUCKETS,
        )
        self._speeches = self._counter(
            "speeches",
            "Texts spoken without a conversation, by what became of them.",
            *("language", "outcome", "reason"),
        )
        self._speech_stages = Histogram(
            "simplevoice_speech_stage_seconds",
            "Time from the request to speak a text until a stage was reached.",
            ("stage", "language", "engine"),
            registry=self._registry,
            buckets=SPEECH_BUCKETS,
        )
        self._fallbacks = self._counter(
            "fallbacks",
            "Turns and speeches in which another engine than the configured one worked.",
            *("role", "configured", "used"),
        )
        self._hallucinations = self._counter(
            "hallucinations_filtered", "Words that nobody said, kept from being answered.", "language", "engine"
        )
        self._heard = self._counter("heard_audio_seconds", "Length of the audio of turns.", "language")
        self._spoken = self._counter(
            "spoken_audio_seconds", "Length of the speech that was made.", "language", "engine"
        )
        self._refused = self._counter("refused_requests", "Requests refused, by HTTP status.", "status")
        self._closed = self._counter("closed_connections", "WebSockets that ended, by close code.", "code")
        self._lag = Histogram(
            "simplevoice_event_loop_lag_seconds",
            "How much later than it should the event loop came back to a task, four times a second.",
            registry=self._registry,
            buckets=LAG_BUCKETS,
        )
        for language in LANGUAGES:
            self._turns.labels(language, "answered", "")
            for code in FAILURES:
                self._turns.labels(language, "failed", code)
            self._speeches.labels(language, "answered", "")
            for code in SPEECH_FAILURES:
                self._speeches.labels(language, "failed", code)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"simplevoice_{name}", what, labels, registry=self._registry)

    def turn_ended(self, report: TurnReport) -> None:
        """Count a turn, or a speech."""
        count = self._count_turn if report.kind == "turn" else self._count_speech
        count(report, voice=report.work.tts[0] if report.work.tts else "")
        self._count_fallbacks(report)

    def _count_turn(self, report: TurnReport, voice: str) -> None:
        language, work = report.language, report.work
        self._turns.labels(language, report.outcome, report.reason or "").inc()
        self._heard.labels(language).inc(work.audio_ms / 1000)
        if work.hallucinated:
            self._hallucinations.labels(language, work.stt).inc()
        for stage, engine, reached in (
            ("begun", "", work.begun),
            ("endpoint", "", report.times.endpoint),
            ("decode", "", work.decode),
            ("transcribe", work.stt, work.transcribe),
            ("first_text", work.llm, work.first_text),
            *_stages_of_speech(report, voice),
        ):
            if reached is not None:
                self._stages.labels(stage, language, engine).observe(reached / 1000)
        self._count_spoken(report, voice)

    def _count_speech(self, report: TurnReport, voice: str) -> None:
        language = report.language
        self._speeches.labels(language, report.outcome, report.reason or "").inc()
        for stage, engine, reached in (("begun", "", report.work.begun), *_stages_of_speech(report, voice)):
            if reached is not None:
                self._speech_stages.labels(stage, language, engine).observe(reached / 1000)
        self._count_spoken(report, voice)

    def _count_spoken(self, report: TurnReport, voice: str) -> None:
        if report.reply_ms:
            self._spoken.labels(report.language, voice).inc(report.reply_ms / 1000)

    def _count_fallbacks(self, report: TurnReport) -> None:
        used = {"stt": (report.work.stt,), "llm": (report.work.llm,), "tts": report.work.tts}
        for role, configured in self._service.configured.items():
            for engine in used[role]:
                if engine not in (None, configured):
                    self._fallbacks.labels(role, configured, engine).inc()

    def request_refused(self, status: int) -> None:
        """Count a request that was answered with an HTTP error."""
        self._refused.labels(str(status)).inc()

    def connection_closed(self, code: int | None) -> None:
        """Count a WebSocket that ended; a client may choose any code."""
        self._closed.labels(str(code) if code in CLOSE_CODES else "other").inc()

    def loop_lagged(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._lag.observe(seconds)

    async def render(self) -> bytes:
        """Give all figures. They are read on the loop, which alone writes them; only /proc is read in a thread."""
        return generate_latest(self._registry) + await asyncio.to_thread(_process_figures)


def _stages_of_speech(report: TurnReport, voice: str) -> Iterator[tuple[str, str, int | None]]:
    yield "first_audio", voice, report.times.first_audio
    yield "total", voice, report.times.total if report.outcome == "answered" else None


def _process_figures() -> bytes:
    """Give what the kernel knows of the process. Blocks: it reads /proc."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return generate_latest(registry)
