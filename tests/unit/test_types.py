from typing import get_args

from simplevoice import types


def test_what_is_listed_is_what_is_allowed() -> None:
    assert set(types.LANGUAGES) == set(get_args(types.Language)) == {"ar", "en"}
    assert set(types.VOICE_TYPES) == {"female", "male"}
    assert set(types.AUDIO_FORMATS) == {"mp3", "wav", "pcm16", "opus"}
    assert set(types.INPUT_FORMATS) == {"wav", "mp3", "m4a", "webm", "ogg", "flac"}
