"""The messages that tell a client what it did wrong, or what went wrong, in its language."""

from msgspec import UNSET

from simplevoice import messages
from simplevoice.errors import ErrorCode, SimpleVoiceError
from simplevoice.protocol import ErrorMessage, Guidance, GuidanceReason
from simplevoice.types import Language

RETRY_POINTLESS = {
    ErrorCode.UNSUPPORTED_AUDIO_FORMAT,
    ErrorCode.AUDIO_FORMAT_MISMATCH,
    ErrorCode.AUDIO_DECODE_FAILED,
    ErrorCode.AUDIO_TOO_LARGE,
    ErrorCode.AUDIO_TOO_LONG,
    ErrorCode.EMPTY_AUDIO,
    ErrorCode.INVALID_PARAMETER,
    ErrorCode.MISSING_CONNECTION_ID,
    ErrorCode.CONNECTION_ID_IN_USE,
    ErrorCode.INVALID_JSON,
    ErrorCode.INVALID_MESSAGE,
    ErrorCode.UNKNOWN_MESSAGE_TYPE,
}
"""The same message again would fail the same way."""


def error_message(error: SimpleVoiceError, language: Language, turn_id: str | None = None) -> ErrorMessage:
    """Tell of a failure by its code and what may be shown of it; never by the exception's text."""
    return ErrorMessage(
        error_code=error.code,
        message=messages.text(error.code, language, error.details),
        retry_suggested=error.code not in RETRY_POINTLESS,
        turn_id=turn_id or UNSET,
        details=error.details or UNSET,
    )


def guidance(reason: GuidanceReason, heard: str, language: Language, turn_id: str) -> Guidance:
    """Tell that nothing intelligible was heard, and what to do about it."""
    return Guidance(
        turn_id=turn_id,
        guidance=messages.text(f"guidance.{reason}", language),
        transcription=heard,
        reason=reason,
    )
