from simplevoice.conversation.settings import Settings
from simplevoice.protocol import SessionUpdate


def make_settings() -> Settings:
    return Settings(
        language="en",
        voice_type="female",
        voice="en-US-JennyNeural",
        turn_detection="none",
        response_mode="complete",
        audio_format="mp3",
        audio_transport="base64",
    )


def test_only_what_is_set_changes() -> None:
    settings = make_settings()
    settings.update(SessionUpdate(language="ar", rate="+10%"))
    assert (settings.language, settings.rate, settings.voice_type, settings.voice) == (
        "ar",
        "+10%",
        "female",
        "en-US-JennyNeural",
    )


def test_null_goes_back_to_the_servers_own() -> None:
    settings = make_settings()
    settings.update(SessionUpdate(voice=None))
    assert settings.voice is None
