import inspect

from simplevoice import errors
from simplevoice.errors import AudioError, BusyError, ClientError, ErrorCode, SimpleVoiceError, SpeechError


def test_every_exception_is_a_simplevoice_error_and_stands_in_the_tree() -> None:
    tree = inspect.getdoc(errors) or ""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert len(kinds) > 5
    for kind in kinds:
        assert issubclass(kind, SimpleVoiceError)
        assert kind.__name__ in tree


def test_a_kind_has_its_code_and_an_error_may_be_more_precise() -> None:
    assert BusyError("x").code is ErrorCode.SERVER_BUSY
    assert ClientError("x").code is ErrorCode.INVALID_MESSAGE
    assert SpeechError("x").code is ErrorCode.SPEECH_FAILED
    error = AudioError("x", code=ErrorCode.EMPTY_AUDIO, details={"a": 1})
    assert (error.code, error.details, str(error)) == (ErrorCode.EMPTY_AUDIO, {"a": 1}, "x")


def test_codes_are_what_they_are_called() -> None:
    assert all(code.name == code.value for code in ErrorCode)
