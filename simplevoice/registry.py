"""Who is connected: the one place that the WebSocket handler writes and the status handler reads."""

import time
from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec

from simplevoice.caller import ANYBODY, Caller
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.outgoing import CLOSE_NORMAL, Message, Outgoing, Transport
from simplevoice.protocol import ServerMessage, encoded
from simplevoice.types import Language, TurnDetection, VoiceType

ConnectionState = Literal["idle", "listening", "thinking", "speaking"]


class Owner(Protocol):
    """The conversation behind a connection, for those who watch and end connections."""

    @property
    def state(self) -> ConnectionState:
        """What the conversation is doing."""

    @property
    def waiting(self) -> int:
        """How many utterances wait behind the turn in progress."""

    async def stop(self, reason: str) -> None:
        """End the turn in progress, saying so where the reason asks for it, and leave nothing running."""

    async def finish(self) -> None:
        """Wait until no turn is in progress."""


class ConnectionSnapshot(msgspec.Struct, frozen=True):
    """What the status shows of a connection. Times in Unix seconds and seconds; ``client`` is its token's name."""

    connection_id: str
    session_id: str
    language: Language
    voice_type: VoiceType
    connected_at: float
    duration_seconds: float
    message_count: int
    state: ConnectionState
    turn_detection: TurnDetection
    last_response_time_ms: int | None
    client: str | None
    address: str


class Connection:
    """One client: its facts for the status, and what is to be sent to it."""

    __slots__ = (
        "_outgoing",
        "_started",
        "client",
        "connected_at",
        "id",
        "language",
        "last_response_time_ms",
        "message_count",
        "owner",
        "session_id",
        "turn_detection",
        "voice_type",
    )

    def __init__(
        self,
        transport: Transport,
        *,
        connection_id: str,
        session_id: str,
        language: Language,
        voice_type: VoiceType,
        turn_detection: TurnDetection,
        send_timeout: float,
        client: Caller = ANYBODY,
    ) -> None:
        self.id = connection_id
        self.session_id = session_id
        self.client = client
        self.language = language
        self.voice_type = voice_type
        self.turn_detection = turn_detection
        self.connected_at = time.time()
        self.message_count = 0
        self.last_response_time_ms: int | None = None
        self.owner: Owner | None = None
        self._started = time.monotonic()
        self._outgoing = Outgoing(transport, send_timeout)

    @property
    def owned_session(self) -> str:
        """Name the session among those of all clients: the same name with another token is another session."""
        return f"{self.client.name or ''}/{self.session_id}"

    @property
    def closed(self) -> bool:
        """Whether nothing more will be taken."""
        return self._outgoing.closed

    @property
    def close_reason(self) -> str:
        """Why the daemon closes it; empty where the client left, or nobody has yet."""
        return self._outgoing.close_reason

    @property
    def state(self) -> ConnectionState:
        """What the conversation is doing."""
        return "idle" if self.owner is None else self.owner.state

    @property
    def waiting(self) -> int:
        """How many utterances wait behind the turn in progress."""
        return 0 if self.owner is None else self.owner.waiting

    @property
    def queued_messages(self) -> int:
        """How many messages wait to be sent."""
        return len(self._outgoing)

    @property
    def queued_bytes(self) -> int:
        """Their size."""
        return self._outgoing.size

    async def send(self, message: ServerMessage, payload: bytes | None = None, turn_id: str | None = None) -> None:
        """Queue a message, and the binary message that belongs right behind it. Does nothing once closed.

        What carries the ``turn_id`` of a turn that was discarded is dropped, however late it comes.
        """
        await self._outgoing.put(Message(encoded(message), payload, turn_id))

    def pong(self, payload: bytes) -> None:
        """Answer a ping of the WebSocket itself."""
        self._outgoing.pong(payload)

    def discard(self, turn_id: str) -> None:
        """Drop what is queued of a turn, and all that still comes of it."""
        self._outgoing.discard(turn_id)

    def drop_slow(self) -> None:
        """Break off the connection to a client that takes what is sent too slowly, with all that it did not take."""
        self._outgoing.drop_slow()

    async def end(self, code: int, reason: str) -> None:
        """Stop the conversation and begin to close, without waiting for a client that may be gone."""
        owner, self.owner = self.owner, None
        if owner is not None:
            await owner.stop(reason)
        self._outgoing.begin_close(code, reason)

    async def close(self, code: int = CLOSE_NORMAL, reason: str = "") -> None:
        """Send what is queued, then close. The first call decides the code; all wait until it is done."""
        await self.end(code, reason)
        await self._outgoing.closing()

    async def finish_turns(self) -> None:
        """Wait until no turn is in progress."""
        if self.owner is not None:
            await self.owner.finish()

    def snapshot(self) -> ConnectionSnapshot:
        """Tell the status about this connection, as it is now."""
        return ConnectionSnapshot(
            connection_id=self.id,
            session_id=self.session_id,
            language=self.language,
            voice_type=self.voice_type,
            connected_at=self.connected_at,
            duration_seconds=round(time.monotonic() - self._started, 3),
            message_count=self.message_count,
            state=self.state,
            turn_detection=self.turn_detection,
            last_response_time_ms=self.last_response_time_ms,
            client=self.client.name,
            address=self.client.address,
        )


class ConnectionRegistry:
    """The connections by their id."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections.values()))

    def add(self, connection: Connection) -> Connection | None:
        """Enter a connection, and give the one that it replaces, which the caller has to close.

        Raises ClientError when another session, or a client with another token, uses the id.
        """
        old = self._connections.get(connection.id)
        if old is not None and old.owned_session != connection.owned_session:
            raise ClientError("connection_id in use by another session", code=ErrorCode.CONNECTION_ID_IN_USE)
        self._connections[connection.id] = connection
        return old

    def remove(self, connection: Connection) -> None:
        """Strike a connection out; one that was replaced is out already."""
        if self._connections.get(connection.id) is connection:
            del self._connections[connection.id]

    def snapshot(self) -> list[ConnectionSnapshot]:
        """Tell the status about everybody."""
        return [connection.snapshot() for connection in self]
