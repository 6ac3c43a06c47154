"""Whether turns are traced, and what stages a trace has. What sends them, with OpenTelemetry, is ``otlp``."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

import structlog

from simplevoice.config import TracesConfig
from simplevoice.errors import ConfigError
from simplevoice.observation import TurnReport

log = structlog.get_logger(__name__)

VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""OpenTelemetry's own; its other variables hold too, such as OTEL_EXPORTER_OTLP_HEADERS and OTEL_SERVICE_NAME."""


def are_wanted(config: TracesConfig) -> bool:
    """Tell whether turns are traced. Raises ConfigError when the settings ask for it and the extra is missing.

    The variables are often set for everything on a host: there the missing extra is only a warning.
    """
    named = next((name for name in VARIABLES if os.environ.get(name)), None)
    if not config.endpoint and not named:
        return False
    if find_spec("opentelemetry") and find_spec("opentelemetry.sdk"):
        return True
    remedy = "pip install 'simplevoice[otel]'"
    if config.endpoint:
        raise ConfigError([f"traces.endpoint is set, but OpenTelemetry is not installed: {remedy}"])
    log.warning("traces_unavailable", variable=named, remedy=remedy)
    return False


class Stage(NamedTuple):
    """What a turn was at for a while: ms from the end of the user's audio."""

    name: str
    start: int
    end: int
    engine: str | None = None


def stages(report: TurnReport) -> Iterator[Stage]:
    """Give the stages of a turn; the one in which it ended, where it was not answered, lasts until then."""
    work, total = report.work, report.times.total
    endpoint = report.times.endpoint or 0
    if endpoint:
        yield Stage("endpoint", 0, endpoint)
    if work.begun is None:
        return
    if work.begun > endpoint:
        yield Stage("wait", endpoint, work.begun)
    start = work.begun
    for name, entered, reached, engine in (
        ("decode", report.utterance == "recording", work.decode, None),
        ("transcribe", work.stt is not None, work.transcribe, work.stt),
        ("reply", work.llm is not None, work.first_text, work.llm),
        (
            "speech",
            report.kind == "speech" or work.first_text is not None,
            work.first_audio,
            "+".join(work.tts) or None,
        ),
        ("deliver", work.first_audio is not None, total, None),
    ):
        if entered:
            end = total if reached is None else reached
            yield Stage(name, start, end, engine)
            if reached is None:
                return
            start = end
