"""Where a daemon's conversation is, and what stands beside it."""

from urllib.parse import urlsplit, urlunsplit

CHAT_PATH = "/ws/simple-voice-chat"
DEFAULT_URL = f"ws://127.0.0.1:8000{CHAT_PATH}"
_WEBSOCKET = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HTTP = {"ws": "http", "wss": "https"}


def chat_url(text: str) -> str:
    """Return the WebSocket URL of the conversation, also from a bare ``ws://HOST:PORT``; raises ValueError."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in _WEBSOCKET and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"{text!r} is no URL such as {DEFAULT_URL}")
    path = parts.path.rstrip("/") or CHAT_PATH
    return urlunsplit((_WEBSOCKET[parts.scheme], parts.netloc, path, "", ""))


def status_url(url: str) -> str:
    """Return the HTTP URL of the status that belongs to a conversation's."""
    return _beside(url, "/status")


def speak_url(url: str) -> str:
    """Return the HTTP URL at which the daemon of a conversation's speaks texts."""
    return _beside(url, "/speak")


def metrics_url(url: str) -> str:
    """Return the HTTP URL of the metrics that belong to a conversation's."""
    parts = urlsplit(url)
    return urlunsplit((_HTTP[parts.scheme], parts.netloc, f"{parts.path.removesuffix(CHAT_PATH)}/metrics", "", ""))


def _beside(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((_HTTP[parts.scheme], parts.netloc, parts.path + name, "", ""))
