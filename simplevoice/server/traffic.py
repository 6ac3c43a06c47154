"""The bytes that go through the WebSockets."""

from typing import Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web


class Traffic(msgspec.Struct):
    """Bytes of messages since the start. Audio that travels as base64 counts as text."""

    text_in: int = 0
    binary_in: int = 0
    text_out: int = 0
    binary_out: int = 0


class CountingSocket(web.WebSocketResponse):
    """A WebSocket whose messages are counted, at their size without compression."""

    __slots__ = ("_traffic",)

    def __init__(self, traffic: Traffic, **options: Any) -> None:
        super().__init__(**options)
        self._traffic = traffic

    async def receive(self, timeout: float | None = None) -> WSMessage:  # noqa: ASYNC109 - as aiohttp has it
        """Receive a message and count it."""
        message = await super().receive(timeout)
        if message.type is WSMsgType.TEXT:
            self._traffic.text_in += _size(message.data)
        elif message.type is WSMsgType.BINARY:
            self._traffic.binary_in += len(message.data)
        return message

    async def send_text(self, data: bytes) -> None:
        """Count a text message, in UTF-8, and send it without another copy."""
        self._traffic.text_out += len(data)
        await self.send_frame(data, WSMsgType.TEXT)

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        """Count a binary message and send it."""
        self._traffic.binary_out += len(data)
        await super().send_bytes(data, compress)


def _size(text: str) -> int:
    """The length in UTF-8; audio in base64, which is long, is not copied for that."""
    return len(text) if text.isascii() else len(text.encode())
