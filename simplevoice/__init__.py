"""A daemon for spoken conversation in Arabic and English over a WebSocket."""

__version__ = "0.1.0"
