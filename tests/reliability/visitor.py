"""A client that converses over a bare connection and is owed what the protocol promises."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from msgspec import UNSET

from simplevoice.protocol import (
    AnyServerMessage,
    AudioChunk,
    ClientMessage,
    ConnectionEstablished,
    ErrorMessage,
    Guidance,
    Interrupted,
    ServerMessage,
    VoiceResponse,
    decode_server,
    encode,
)
from tests.races.law import assert_lawful
from tests.reliability.wire import Wire, close_frame

M = TypeVar("M", bound=ServerMessage)

End = VoiceResponse | Guidance | Interrupted | ErrorMessage
"""How a turn ends."""


class Visitor:
    """One client's end of a connection. ``received`` holds all messages, in order."""

    def __init__(self, wire: Wire, url: str, query: Mapping[str, str]) -> None:
        self.wire = wire
        self.url = url
        self.query = query
        self.received: list[AnyServerMessage] = []
        self._announced: AudioChunk | None = None

    @classmethod
    @asynccontextmanager
    async def visiting(cls, url: str, **query: str) -> AsyncIterator[Self]:
        """Come in; at the end the connection is dropped, however the visit went."""
        query = {"connection_id": uuid.uuid4().hex, "language": "en", **query}
        wire = await Wire.open(url, **query)
        try:
            visitor = cls(wire, url, query)
            await visitor.until(ConnectionEstablished)
            yield visitor
        finally:
            wire.hang_up()

    async def say(self, message: ClientMessage | bytes) -> None:
        """Send a message."""
        await self.wire.send(message if isinstance(message, bytes) else encode(message))

    async def hear(self) -> AnyServerMessage:
        """Wait for a message, and for the binary one that belongs to it. Raises ClosedError."""
        data = await self.wire.receive()
        assert isinstance(data, str), "a binary message that nothing announced"
        message = decode_server(data)
        self.received.append(message)
        if isinstance(message, AudioChunk) and message.audio_base64 is UNSET:
            sound = await self.wire.receive()
            assert isinstance(sound, bytes), "an audio_chunk without its sound"
            assert len(sound) == message.size
        return message

    async def until(self, *kinds: type[M]) -> M:
        """Wait for a message of one of these kinds. An error that was not waited for ends the visit."""
        while True:
            message = await self.hear()
            if isinstance(message, kinds):
                return message
            assert not isinstance(message, ErrorMessage), message

    async def goodbye(self) -> None:
        """Close as the rules want it: each side says so once."""
        await self.wire.write(close_frame())
        closed = await self.wire.until_closed()
        assert closed.code == 1000, closed

    def outcomes(self, *, closed: bool = False) -> Counter[str]:
        """Count how the turns ended. Raises AssertionError for an unlawful one.

        A turn that was on when the client left has no end. What was answered stays so when its sound is interrupted.
        """
        assert_lawful(self.received, closed=closed)
        ends: dict[object, End] = {}
        for message in self.received:
            if isinstance(message, End):
                ends.setdefault(id(message) if message.turn_id is UNSET else message.turn_id, message)
        return Counter(map(_name, ends.values()))


def _name(end: End) -> str:
    """Name the end of a turn."""
    tag = str(end.__struct_config__.tag)
    return f"{tag} {end.error_code}" if isinstance(end, ErrorMessage) else tag
