"""A WebSocket client on a bare TCP connection, which can break every rule of it; see RFC 6455 for the frames."""

import asyncio
import base64
import socket
import struct
from enum import IntEnum
from typing import Self
from urllib.parse import urlencode, urlsplit

NO_MASK = bytes(4)
"""A client has to mask what it sends; a mask of zeros changes nothing."""
LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing drops what was not sent, and resets the connection."""
KEY = base64.b64encode(bytes(16)).decode()


class Opcode(IntEnum):
    """What a frame is."""

    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class RefusedError(Exception):
    """The server did not upgrade the connection."""


class ClosedError(Exception):
    """The server closed: ``code`` and ``reason`` are those of its close frame, 1006 when there was none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """Make a whole frame of a client."""
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 0x80 | size)
    elif size < 2**16:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([0x80 | opcode]) + length + NO_MASK + payload


def close_frame(code: int = 1000) -> bytes:
    """Make the frame that says goodbye."""
    return frame(Opcode.CLOSE, struct.pack("!H", code))


def message_frame(message: str | bytes) -> bytes:
    """Make the frame of a message."""
    if isinstance(message, str):
        return frame(Opcode.TEXT, message.encode())
    return frame(Opcode.BINARY, message)


def upgrade_request(url: str, **query: str) -> bytes:
    """Make the request that opens a conversation."""
    parts = urlsplit(url)
    return (
        f"GET {parts.path}?{urlencode(query)} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    ).encode()


class Wire:
    """One TCP connection. It answers pings, and counts them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pings = 0
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, url: str) -> Self:
        """Connect, and say nothing yet."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    @classmethod
    async def open(cls, url: str, **query: str) -> Self:
        """Connect and upgrade. Raises RefusedError."""
        wire = await cls.dial(url)
        try:
            await wire.write(upgrade_request(url, **query))
            await wire.upgraded()
        except BaseException:
            wire.hang_up()
            raise
        return wire

    async def upgraded(self) -> None:
        """Read the answer to the request. Raises RefusedError."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            head = error.partial
        status = head.partition(b"\r\n")[0].decode()
        if not status.startswith("HTTP/1.1 101 "):
            raise RefusedError(status or "no answer")

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def send(self, message: str | bytes) -> None:
        """Send a message."""
        await self.write(message_frame(message))

    async def receive(self) -> str | bytes:
        """Wait for a message. Raises ClosedError."""
        while True:
            try:
                opcode, payload = await self._read_frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                raise ClosedError(1006, "") from None
            match opcode:
                case Opcode.TEXT:
                    return payload.decode()
                case Opcode.BINARY:
                    return payload
                case Opcode.PING:
                    self.pings += 1
                    await self.write(frame(Opcode.PONG, payload))
                case Opcode.CLOSE:
                    raise ClosedError(int.from_bytes(payload[:2], "big"), payload[2:].decode())

    async def _read_frame(self) -> tuple[int, bytes]:
        """Read a frame of a server: whole messages, unmasked."""
        first, length = await self._reader.readexactly(2)
        assert first & 0xF0 == 0x80, "a fragment, or reserved bits"
        if length >= 126:
            length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
        return first & 0x0F, await self._reader.readexactly(length)

    async def until_closed(self) -> ClosedError:
        """Pass over what still comes."""
        while True:
            try:
                await self.receive()
            except ClosedError as closed:
                return closed

    async def until_dropped(self) -> None:
        """Answer nothing, not even a ping, until the server gives up."""
        try:
            await self._reader.read(-1)
        except ConnectionError:
            return

    def shrink(self) -> None:
        """Let the system take only a little that is not read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    @property
    def _socket(self) -> socket.socket:
        own: socket.socket | None = self._writer.get_extra_info("socket")
        assert own is not None
        return own

    def shut(self) -> None:
        """Say on the TCP connection that nothing more is sent."""
        self._writer.write_eof()

    def hang_up(self) -> None:
        """Close the TCP connection without a word."""
        self._writer.close()

    def reset(self) -> None:
        """Drop the TCP connection, as a program that is killed with unread data does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self._writer.transport.abort()
