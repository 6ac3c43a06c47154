import pytest
from msgspec import UNSET

from simplevoice.conversation.notices import RETRY_POINTLESS, error_message, guidance
from simplevoice.errors import AudioError, ErrorCode, ReplyError, SimpleVoiceError


def test_an_error_is_told_by_its_code_and_facts_and_never_by_its_text() -> None:
    error = AudioError("/secret/path", code=ErrorCode.AUDIO_TOO_LONG, details={"max_seconds": 60})
    told = error_message(error, "en", "t1")
    assert (told.error_code, told.turn_id, told.details) == (ErrorCode.AUDIO_TOO_LONG, "t1", {"max_seconds": 60})
    assert told.message == "The audio is too long. Allowed: 60 seconds."
    assert not told.success


def test_what_is_not_known_is_not_told() -> None:
    told = error_message(ReplyError("x"), "ar")
    assert told.turn_id is UNSET
    assert told.details is UNSET


@pytest.mark.parametrize("code", ErrorCode)
def test_trying_again_is_suggested_where_it_may_help(code: ErrorCode) -> None:
    assert error_message(SimpleVoiceError("x", code=code), "en").retry_suggested is (code not in RETRY_POINTLESS)


def test_guidance_says_what_to_do() -> None:
    told = guidance("unclear", "mumble", "en", "t1")
    assert (told.reason, told.transcription, told.turn_id, told.success) == ("unclear", "mumble", "t1", False)
    assert "again" in told.guidance
