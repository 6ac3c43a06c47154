"""Every exception that simplevoice raises on purpose.

SimpleVoiceError
├── ConfigError            the operator's settings are wrong; the daemon does not start
├── ClientError            the client's message or parameter is wrong; the message says how
├── AudioError             the client's audio can't be used
├── EngineError            an engine failed at its work
│   ├── TranscriptionError
│   ├── ReplyError
│   └── SpeechError
│       └── SpeechBrokenOffError
├── TurnTimeoutError       a turn took longer than it may
├── BusyError              a bound was reached: waiting utterances, places of turns, calls of an engine
├── RateLimitedError       a client asks for too much in too short a time
├── ConnectionFailedError  no conversation with a daemon, or none any more: what simplevoice.client raises
└── ModelError             weights can't be had, or aren't what they should be
    ├── WeightsUnavailableError
    │   └── FetchStoppedError
    └── WeightsCorruptError

``str(error)`` is for operators and logs. Clients get the error's ``code`` and a text from ``messages``.
"""

from enum import StrEnum
from typing import Any, ClassVar


class ErrorCode(StrEnum):
    """What programs read in an ``error`` message. The list is closed; released codes do not change."""

    INVALID_PARAMETER = "INVALID_PARAMETER"
    MISSING_CONNECTION_ID = "MISSING_CONNECTION_ID"
    CONNECTION_ID_IN_USE = "CONNECTION_ID_IN_USE"
    INVALID_JSON = "INVALID_JSON"
    INVALID_MESSAGE = "INVALID_MESSAGE"
    UNKNOWN_MESSAGE_TYPE = "UNKNOWN_MESSAGE_TYPE"
    UNSUPPORTED_AUDIO_FORMAT = "UNSUPPORTED_AUDIO_FORMAT"
    AUDIO_FORMAT_MISMATCH = "AUDIO_FORMAT_MISMATCH"
    AUDIO_DECODE_FAILED = "AUDIO_DECODE_FAILED"
    AUDIO_TOO_LARGE = "AUDIO_TOO_LARGE"
    AUDIO_TOO_LONG = "AUDIO_TOO_LONG"
    EMPTY_AUDIO = "EMPTY_AUDIO"
    TRANSCRIPTION_FAILED = "TRANSCRIPTION_FAILED"
    REPLY_FAILED = "REPLY_FAILED"
    SPEECH_FAILED = "SPEECH_FAILED"
    TURN_TIMEOUT = "TURN_TIMEOUT"
    RATE_LIMITED = "RATE_LIMITED"
    SERVER_BUSY = "SERVER_BUSY"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class SimpleVoiceError(Exception):
    """Base of all. ``details`` are facts safe to show to the client: field names, bounds, formats."""

    default_code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_ERROR

    def __init__(self, message: str, *, code: ErrorCode | None = None, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.details = details or {}


class ConfigError(SimpleVoiceError):
    """Settings that can't be used. ``problems`` holds all of them, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ClientError(SimpleVoiceError):
    """The client sent something that the protocol does not allow."""

    default_code = ErrorCode.INVALID_MESSAGE


class AudioError(SimpleVoiceError):
    """The client's audio can't be used; ``code`` tells why."""

    default_code = ErrorCode.AUDIO_DECODE_FAILED


class EngineError(SimpleVoiceError):
    """An engine failed at its work. The same may succeed in ``retry_in`` seconds; None where that is not expected.

    ``broken`` says that the engine itself may be, not what it was given: that should be found out at once.
    """

    def __init__(
        self, message: str, *, code: ErrorCode | None = None, retry_in: float | None = None, broken: bool = False
    ) -> None:
        super().__init__(message, code=code)
        self.retry_in = retry_in
        self.broken = broken


class TranscriptionError(EngineError):
    default_code = ErrorCode.TRANSCRIPTION_FAILED


class ReplyError(EngineError):
    default_code = ErrorCode.REPLY_FAILED


class SpeechError(EngineError):
    default_code = ErrorCode.SPEECH_FAILED


class SpeechBrokenOffError(SpeechError):
    """Speech ended in the middle. ``rest`` is the text not yet spoken; it never stands in the message."""

    def __init__(self, message: str, rest: str) -> None:
        super().__init__(message)
        self.rest = rest


class TurnTimeoutError(SimpleVoiceError):
    default_code = ErrorCode.TURN_TIMEOUT


class BusyError(SimpleVoiceError):
    default_code = ErrorCode.SERVER_BUSY


class RateLimitedError(SimpleVoiceError):
    """Too much in too short a time. Without ``retry_after_ms`` it is too much at any time."""

    default_code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, *, retry_after_ms: int | None) -> None:
        super().__init__(message, details=None if retry_after_ms is None else {"retry_after_ms": retry_after_ms})


class ConnectionFailedError(SimpleVoiceError):
    """No conversation with a daemon, or none any more. The message is one line for people.

    ``status`` is that of the HTTP answer that refused it, ``close_code`` what the daemon closed it with.
    """

    def __init__(self, message: str, *, status: int | None = None, close_code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.close_code = close_code


class ModelError(SimpleVoiceError):
    """Weights can't be had, or aren't what they should be."""


class WeightsUnavailableError(ModelError):
    """No source could give the weights."""


class FetchStoppedError(WeightsUnavailableError):
    """The fetch was told to stop; no other weights are wanted instead."""


class WeightsCorruptError(ModelError):
    """A file is not what the catalogue says. The message names it."""
