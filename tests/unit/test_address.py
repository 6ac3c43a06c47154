"""Where a daemon's conversation is."""

import pytest

from simplevoice.address import chat_url, metrics_url, speak_url, status_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/ws/simple-voice-chat"),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/ws/simple-voice-chat"),
        ("https://voice.example.org", "wss://voice.example.org/ws/simple-voice-chat"),
        ("wss://h/api/v1/ws/simple-voice-chat", "wss://h/api/v1/ws/simple-voice-chat"),
        ("ws://[::1]:9/ws/simple-voice-chat?x=1#y", "ws://[::1]:9/ws/simple-voice-chat"),
    ],
)
def test_chat_url(text: str, url: str) -> None:
    assert chat_url(text) == url


@pytest.mark.parametrize("text", ["", "localhost:8000", "ftp://h", "ws://", "ws://h:port", "ws://h:99999", "ws://h:0"])
def test_chat_url_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is no URL such as"):
        chat_url(text)


def test_status_url() -> None:
    assert status_url("wss://h/api/v1/ws/simple-voice-chat") == "https://h/api/v1/ws/simple-voice-chat/status"
    assert status_url("ws://h:1/ws/simple-voice-chat") == "http://h:1/ws/simple-voice-chat/status"


def test_speak_url() -> None:
    assert speak_url("wss://h/api/v1/ws/simple-voice-chat") == "https://h/api/v1/ws/simple-voice-chat/speak"


def test_metrics_url() -> None:
    assert metrics_url("wss://h/api/v1/ws/simple-voice-chat") == "https://h/api/v1/metrics"
    assert metrics_url("ws://h:1/ws/simple-voice-chat") == "http://h:1/metrics"
