"""What is known of a turn or a speech when it is over, for those who watch: status, log, metrics and traces."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import structlog

from simplevoice.errors import AudioError, BusyError, RateLimitedError, SimpleVoiceError
from simplevoice.protocol import Timings
from simplevoice.types import Language

log = structlog.get_logger(__name__)

Outcome = Literal["answered", "not_understood", "interrupted", "rejected", "refused", "failed"]
"""``rejected``: the client's audio can't be used. ``refused``: there is no room for the turn, or the client asks for
too much. ``failed``: it is the daemon's fault, or an engine's."""

Kind = Literal["turn", "speech"]
"""``speech``: a text that was spoken as it stands, without a conversation. Nobody was heard, and nothing answered."""


def outcome_of(error: SimpleVoiceError) -> Outcome:
    """Tell whose fault an error is."""
    match error:
        case AudioError():
            return "rejected"
        case BusyError() | RateLimitedError():
            return "refused"
        case _:
            return "failed"


class Progress(msgspec.Struct):
    """How far the work on a turn came: when a stage was reached, ms from the end of the user's audio, and by whom."""

    begun: int | None = None
    """Before the turn was known to be over, or later when it had to wait for its turn."""
    decode: int | None = None
    transcribe: int | None = None
    first_text: int | None = None
    first_audio: int | None = None
    audio_ms: int = 0
    """Length of the user's audio."""
    hallucinated: bool = False
    """Whether the recognizer gave words that nobody said, as it judges itself; they were filtered out."""
    stt: str | None = None
    llm: str | None = None
    tts: tuple[str, ...] = ()
    """The engines that really worked, by name."""

    def timings(self, total: int, endpoint: int | None) -> Timings:
        """Tell the stages as clients are told.

        Sound is held until the turn is over. The end of the turn is counted in samples and the sound by the clock, so
        one that was ready before may seem to have left some ms too soon.
        """
        first_audio = self.first_audio
        if first_audio is not None and endpoint is not None:
            first_audio = max(first_audio, endpoint)
        return Timings(
            total=total,
            decode=self.decode,
            transcribe=self.transcribe,
            first_text=self.first_text,
            first_audio=first_audio,
            endpoint=endpoint,
        )


class TurnReport(msgspec.Struct, frozen=True, kw_only=True):
    """One turn, when its outcome is known. ``words`` are what was heard and answered, if the operator wants them."""

    kind: Kind = "turn"
    connection_id: str | None = None
    session_id: str | None = None
    turn_id: str
    language: Language
    utterance: str | None = None
    outcome: Outcome
    reason: str | None
    """Why there is no answer: what guidance and interruptions say, or the error code."""
    problem: str | None
    """The failure in words for operators."""
    ended_at: float
    """The end of the user's audio, Unix seconds; all times count from there. Of a speech, when it was asked for."""
    times: Timings
    work: Progress
    reply_ms: int
    """Length of the speech that was made for the client."""
    words: tuple[str, str] | None


Observer = Callable[[TurnReport], None]


class Observation:
    """Tells every observer of every turn."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = list(observers)

    def subscribe(self, observer: Observer) -> None:
        """Let an observer know of the turns from now on."""
        self._observers.append(observer)

    def report(self, report: TurnReport) -> None:
        """Tell of a turn. What goes wrong with an observer is its own affair."""
        for observer in self._observers:
            try:
                observer(report)
            except Exception:
                log.exception("observer_failed", turn_id=report.turn_id)


def log_turn(report: TurnReport) -> None:
    """Write the one line of a turn, or of a speech. What did not happen is left out."""
    facts: dict[str, Any] = {
        "connection_id": report.connection_id,
        "session_id": report.session_id,
        "turn_id": report.turn_id,
        "outcome": report.outcome,
        "reason": report.reason,
        "problem": report.problem,
        "language": report.language,
        "utterance": report.utterance,
        "stt": report.work.stt,
        "llm": report.work.llm,
        "tts": "+".join(report.work.tts) or None,
        **msgspec.structs.asdict(report.times),
        "audio_ms": report.work.audio_ms or None,
        "reply_ms": report.reply_ms or None,
    }
    if report.words is not None:
        facts["heard"], facts["reply"] = (words or None for words in report.words)
    write = log.warning if report.outcome == "failed" else log.info
    write(report.kind, **{name: fact for name, fact in facts.items() if fact is not None})
