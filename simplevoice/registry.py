"""Who is connected: the one place that the WebSocket handler writes and the status handler reads."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple, Protocol

import msgspec

from simplevoice.caller import ANYBODY, Caller
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.protocol import ServerMessage, encode
from simplevoice.types import Language, TurnDetection, VoiceType

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_UNSUPPORTED_DATA = 1003
CLOSE_POLICY = 1008
CLOSE_INTERNAL_ERROR = 1011
CLOSE_TRY_AGAIN_LATER = 1013

ConnectionState = Literal["idle", "listening", "thinking", "speaking"]

MAX_QUEUED_MESSAGES = 256
MAX_QUEUED_BYTES = 16 * 2**20
DISCARDED_TURNS = 16
"""Turns whose stragglers are still recognized; one is rarely more than a moment behind."""


class Transport(Protocol):
    """What a connection needs of a WebSocket."""

    async def send_str(self, data: str) -> None:
        """Send a text message."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""

    async def pong(self, message: bytes) -> None:
        """Answer a ping of the WebSocket itself."""

    async def close(self, *, code: int, message: bytes, drain: bool) -> object:
        """Do the closing handshake. ``drain`` waits until the client took what was sent, before its reader is woken."""

    def abort(self) -> None:
        """Drop the connection with all that was not sent."""


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


class _Outgoing(NamedTuple):
    text: str
    payload: bytes | None
    turn_id: str | None

    @property
    def size(self) -> int:
        return len(self.text) + len(self.payload or b"")


class _Pong(NamedTuple):
    payload: bytes


class Connection:
    """One client: its facts for the status, and its bounded outgoing queue with one writer task.

    A sender waits while the queue is full. A client that takes nothing for ``send_timeout`` seconds is closed.
    """

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
        self._transport = transport
        self._send_timeout = send_timeout
        self._started = time.monotonic()
        self._queue: deque[_Outgoing] = deque()
        self._queued_bytes = 0
        self._ping: bytes | None = None
        """What the last ping that was not answered yet carried."""
        self._discarded: deque[str] = deque(maxlen=DISCARDED_TURNS)
        self._changed = asyncio.Condition()
        self._order = asyncio.Lock()
        """Whoever waits for room is not overtaken."""
        self._closing: tuple[int, str] | None = None
        self._writer = asyncio.create_task(self._write(), name=f"writer {connection_id}")

    @property
    def owned_session(self) -> str:
        """Name the session among those of all clients: the same name with another token is another session."""
        return f"{self.client.name or ''}/{self.session_id}"

    @property
    def closed(self) -> bool:
        """Whether nothing more will be taken."""
        return self._closing is not None

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
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """Their size."""
        return self._queued_bytes

    async def send(self, message: ServerMessage, payload: bytes | None = None, turn_id: str | None = None) -> None:
        """Queue a message, and the binary message that belongs right behind it. Does nothing once closed.

        What carries the ``turn_id`` of a turn that was discarded is dropped, however late it comes.
        """
        item = _Outgoing(encode(message), payload, turn_id)
        async with self._order, self._changed:
            try:
                async with asyncio.timeout(self._send_timeout):
                    await self._changed.wait_for(lambda: self.closed or self._has_room(item))
            except TimeoutError:
                self._begin_close(CLOSE_POLICY, "slow client")
            if not self.closed and turn_id not in self._discarded:
                self._queue.append(item)
                self._queued_bytes += item.size
            self._changed.notify_all()

    def _has_room(self, item: _Outgoing) -> bool:
        fits = self._queued_bytes + item.size <= MAX_QUEUED_BYTES and len(self._queue) < MAX_QUEUED_MESSAGES
        return fits or not self._queue

    async def pong(self, payload: bytes) -> None:
        """Answer a ping of the WebSocket itself, before what is queued; only the last one that waits needs an answer.

        RFC 6455 section 5.5.3. So whoever pings without end and takes nothing fills one place and no more.
        """
        self._ping = payload
        async with self._changed:
            self._changed.notify_all()

    async def discard(self, turn_id: str) -> None:
        """Drop what is queued of a turn, and all that still comes of it."""
        self._discarded.append(turn_id)
        self._queue = deque(item for item in self._queue if item.turn_id != turn_id)
        self._queued_bytes = sum(item.size for item in self._queue)
        async with self._changed:
            self._changed.notify_all()

    async def end(self, code: int, reason: str) -> None:
        """Stop the conversation and begin to close, without waiting for a client that may be gone."""
        owner, self.owner = self.owner, None
        if owner is not None:
            await owner.stop(reason)
        self._begin_close(code, reason)
        async with self._changed:
            self._changed.notify_all()

    async def close(self, code: int = CLOSE_NORMAL, reason: str = "") -> None:
        """Send what is queued, then close. The first call decides the code; all wait until it is done."""
        await self.end(code, reason)
        await asyncio.shield(self._writer)

    async def finish_turns(self) -> None:
        """Wait until no turn is in progress."""
        if self.owner is not None:
            await self.owner.finish()

    def _begin_close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._closing = (code, reason)

    async def _write(self) -> None:
        try:
            while (item := await self._next()) is not None:
                async with asyncio.timeout(self._send_timeout):
                    await self._put(item)
        except TimeoutError:
            self._begin_close(CLOSE_POLICY, "slow client")
            self._transport.abort()  # else it would keep what was not sent until the client reads it
        except ConnectionError:
            self._begin_close(CLOSE_NORMAL, "")
        finally:
            await self._end()

    async def _put(self, item: _Outgoing | _Pong) -> None:
        if isinstance(item, _Pong):
            await self._transport.pong(item.payload)
            return
        await self._transport.send_str(item.text)
        if item.payload is not None:
            await self._transport.send_bytes(item.payload)

    async def _next(self) -> _Outgoing | _Pong | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._ping is not None or self._queue or self.closed)
            if self._ping is not None:
                pong, self._ping = _Pong(self._ping), None
                return pong
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._queued_bytes -= item.size
            self._changed.notify_all()
            return item

    async def _end(self) -> None:
        self._closing = code, reason = self._closing or (CLOSE_INTERNAL_ERROR, "")
        self._queue.clear()
        async with self._changed:
            self._changed.notify_all()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._send_timeout):
                # Not drained: behind a client that takes nothing, the reader would not find out and go on for ever.
                await self._transport.close(code=code, message=reason.encode(), drain=False)

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

    def __contains__(self, connection_id: object) -> bool:
        return connection_id in self._connections

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
        """Tell the status about everybody, oldest first."""
        return [connection.snapshot() for connection in self]
