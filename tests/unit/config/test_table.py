"""One setting: how text and TOML values become its value, and what it says is allowed."""

import pytest

from simplevoice.config.table import SETTINGS


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.port", "9000", 9000),
        ("limits.drain_seconds", "2.5", 2.5),
        ("limits.drain_seconds", "2", 2.0),
        ("models.offline", "true", True),
        ("models.offline", "0", False),
        ("server.path_prefixes", "/api/v1, /b,", ("/api/v1", "/b")),
        ("llm.model", "", None),
        ("llm.model", "null", "null"),
        ("llm.model", "5", "5"),
        ("llm.base_url", "https://example.org/v1", "https://example.org/v1"),
        ("server.allowed_origins", "*", ("*",)),
    ],
)
def test_parse(key: str, text: str, value: object) -> None:
    parsed = SETTINGS[key].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("server.port", "65536"),
        ("server.port", "8000.5"),
        ("server.port", " 8000"),
        ("server.host", ""),
        ("server.host", "caf\udce9"),
        ("limits.drain_seconds", "nan"),
        ("limits.drain_seconds", "inf"),
        ("models.offline", "yes"),
        ("stt.engine", "Whisper"),
        ("server.path_prefixes", "api"),
        ("server.path_prefixes", "/api/"),
        ("tts.rate", "+10%\n"),
        ("server.allowed_hosts", "voice.example.org:8000"),
        ("llm.base_url", "localhost:8080"),
        ("llm.base_url", "http://h/v1?x=1"),
        ("tts.rate", "10%"),
    ],
)
def test_parse_refuses(key: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one differs, and only the kind is the contract
        SETTINGS[key].parse(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("server.port", "8000"),
        ("server.port", True),
        ("models.offline", 1),
        ("limits.drain_seconds", float("inf")),
        ("limits.session_idle_seconds", float("nan")),
        ("server.path_prefixes", "/api"),
        ("server.path_prefixes", ["/api\n"]),
        ("llm.model", 5),
    ],
)
def test_convert_takes_no_other_type(key: str, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        SETTINGS[key].convert(value)


def test_convert_takes_a_whole_number_where_a_fraction_may_stand() -> None:
    assert SETTINGS["limits.drain_seconds"].convert(3) == 3.0


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("server.port", "a whole number from 0 to 65535"),
        ("limits.turn_timeout_seconds", "a number above 0 and up to 600"),
        ("stt.engine", "one of whisper, openai"),
        ("models.offline", "true or false"),
        ("server.host", "text, not empty"),
        ("llm.instructions", "text, at most 20000 characters"),
        ("server.path_prefixes", "a list, each item a path such as /api/v1"),
    ],
)
def test_allowed_says_the_type_and_its_bounds(key: str, words: str) -> None:
    assert SETTINGS[key].allowed == words


def test_choices_are_in_the_order_of_the_declaration() -> None:
    assert SETTINGS["llm.engine"].choices == ("auto", "openai", "llama", "echo")
    assert SETTINGS["server.port"].choices == ()
