"""What is to be sent to one client: bounded, in order, and written by a task that is there only while it has work."""

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import NamedTuple, Protocol

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_UNSUPPORTED_DATA = 1003
CLOSE_POLICY = 1008
CLOSE_INTERNAL_ERROR = 1011
CLOSE_TRY_AGAIN_LATER = 1013

MAX_QUEUED_MESSAGES = 256
MAX_QUEUED_BYTES = 16 * 2**20
DISCARDED_TURNS = 16
"""Turns whose stragglers are still recognized; one is rarely more than a moment behind."""


AT_ONCE_BYTES = 60 * 1024
"""What a transport that holds nothing takes without making anybody wait: asyncio's bound is 64 KiB."""


class Transport(Protocol):
    """What a connection needs of a WebSocket."""

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent before is still held here."""

    async def send_text(self, data: bytes) -> None:
        """Send a text message, which is UTF-8."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""

    async def pong(self, message: bytes) -> None:
        """Answer a ping of the WebSocket itself."""

    async def close(self, *, code: int, message: bytes, drain: bool) -> object:
        """Do the closing handshake. ``drain`` waits until the client took what was sent, before its reader is woken."""

    def abort(self) -> None:
        """Drop the connection with all that was not sent."""


class Message(NamedTuple):
    """A text message, and the binary one that belongs right behind it."""

    text: bytes
    payload: bytes | None
    turn_id: str | None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.text) + len(self.payload or b"")


class _Pong(NamedTuple):
    payload: bytes


class _Line:
    """Those who wait for room, one behind the other."""

    def __init__(self) -> None:
        self.length = 0
        self.head = asyncio.Lock()
        self.moved = asyncio.Event()


class Outgoing:
    """The queue of one client. A sender waits while it is full.

    A client that does not take a message within ``send_timeout`` seconds is closed; at the end, all that is queued has
    to be taken within them. What is idle is small: most connections are.
    """

    __slots__ = (
        "_at_once",
        "_bytes",
        "_close_by",
        "_closing",
        "_discarded",
        "_line",
        "_messages",
        "_ping",
        "_send_timeout",
        "_transport",
        "_writer",
    )

    def __init__(self, transport: Transport, send_timeout: float) -> None:
        self._transport = transport
        self._send_timeout = send_timeout
        self._messages: deque[Message] | None = None
        """None in place of an empty one."""
        self._bytes = 0
        self._ping: bytes | None = None
        """What the last ping that was not answered yet carried."""
        self._discarded: tuple[str, ...] = ()
        self._line: _Line | None = None
        self._closing: tuple[int, str] | None = None
        self._close_by = math.inf
        """When all that is queued must have been taken, on the loop's clock."""
        self._writer: asyncio.Task[None] | None = None
        self._at_once = False
        """Whether a sender is writing its own message."""

    def __len__(self) -> int:
        return len(self._messages or ())

    @property
    def size(self) -> int:
        """Of all that waits, bytes."""
        return self._bytes

    @property
    def closed(self) -> bool:
        """Whether nothing more will be taken."""
        return self._closing is not None

    @property
    def close_reason(self) -> str:
        """What is told with the close; empty where there is nothing to tell, or no close yet."""
        return "" if self._closing is None else self._closing[1]

    async def put(self, message: Message) -> None:
        """Queue a message, behind whoever waits for room. One of a turn that was discarded is dropped."""
        if self._is_free and message.size <= AT_ONCE_BYTES and self._transport.drained:
            await self._write_at_once(message)
            return
        if self._line is None and self._has_room(message):
            self._append(message)
            return
        self._line = line = self._line or _Line()
        line.length += 1
        try:
            async with line.head:
                await self._wait_for_room(message, line.moved)
                self._append(message)
        finally:
            line.length -= 1
            if not line.length:
                self._line = None

    def pong(self, payload: bytes) -> None:
        """Answer a ping of the WebSocket itself, before what is queued; only the last one that waits needs an answer.

        RFC 6455 section 5.5.3. So whoever pings without end and takes nothing fills one place and no more.
        """
        self._ping = payload
        self._work()

    def discard(self, turn_id: str) -> None:
        """Drop what is queued of a turn, and all that still comes of it."""
        self._discarded = (*self._discarded, turn_id)[-DISCARDED_TURNS:]
        kept = [message for message in self._messages or () if message.turn_id != turn_id]
        self._messages = deque(kept) or None
        self._bytes = sum(message.size for message in kept)
        self._moved()

    def begin_close(self, code: int, reason: str) -> None:
        """Take nothing more, send what is queued, and close. The first call decides the code."""
        if self._closing is None:
            self._closing = (code, reason)
            self._close_by = asyncio.get_running_loop().time() + self._send_timeout
            self._moved()
            self._work()

    def drop_slow(self) -> None:
        """Close with what a client is told that is too slow, who may never read it, and drop what was not sent."""
        self.begin_close(CLOSE_POLICY, "slow client")
        self._transport.abort()  # else it would keep that until the client reads it

    async def closing(self) -> None:
        """Wait until the connection that begins to close is closed."""
        if self._writer is not None:
            await asyncio.shield(self._writer)

    @property
    def _is_free(self) -> bool:
        """Whether nobody writes, nor waits to be written. An idle writer has left."""
        return self._writer is None and not self._at_once and self._line is None and self._closing is None

    async def _write_at_once(self, message: Message) -> None:
        """Write what the transport takes without a wait: that saves the way through the queue, and another task."""
        if message.turn_id in self._discarded:
            return
        self._at_once = True
        try:
            await self._send(message)
        except ConnectionError:
            self.begin_close(CLOSE_NORMAL, "")
        except BaseException:
            self.begin_close(CLOSE_INTERNAL_ERROR, "")
            raise
        finally:
            self._at_once = False
            if self._messages or self._ping is not None or self._closing:
                self._work()

    def _has_room(self, message: Message) -> bool:
        if self._messages is None:
            return True
        return self._bytes + message.size <= MAX_QUEUED_BYTES and len(self._messages) < MAX_QUEUED_MESSAGES

    async def _wait_for_room(self, message: Message, moved: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._send_timeout):
                while not (self.closed or self._has_room(message)):
                    moved.clear()
                    await moved.wait()
        except TimeoutError:
            self.begin_close(CLOSE_POLICY, "slow client")

    def _append(self, message: Message) -> None:
        if self.closed or message.turn_id in self._discarded:
            return
        if self._messages is None:
            self._messages = deque()
        self._messages.append(message)
        self._bytes += message.size
        self._work()

    def _moved(self) -> None:
        if self._line is not None:
            self._line.moved.set()

    def _work(self) -> None:
        """See that a writer is there."""
        if self._writer is None and not self._at_once:
            self._writer = asyncio.create_task(self._write(), name="writer")

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while (message := self._next()) is not None:
                async with asyncio.timeout_at(min(loop.time() + self._send_timeout, self._close_by)):
                    await self._send(message)
        except TimeoutError:
            self.drop_slow()
        except ConnectionError:
            self.begin_close(CLOSE_NORMAL, "")
        except BaseException:
            self.begin_close(CLOSE_INTERNAL_ERROR, "")
            raise
        finally:
            if self._closing is None:
                self._writer = None
            else:
                await self._close(*self._closing)

    def _next(self) -> Message | _Pong | None:
        if self._ping is not None:
            pong, self._ping = _Pong(self._ping), None
            return pong
        if self._messages is None:
            return None
        message = self._messages.popleft()
        self._messages = self._messages or None
        self._bytes -= message.size
        self._moved()
        return message

    async def _send(self, message: Message | _Pong) -> None:
        if isinstance(message, _Pong):
            await self._transport.pong(message.payload)
            return
        await self._transport.send_text(message.text)
        if message.payload is not None:
            await self._transport.send_bytes(message.payload)

    async def _close(self, code: int, reason: str) -> None:
        self._messages, self._bytes = None, 0
        self._moved()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._send_timeout):
                # Not drained: behind a client that takes nothing, the reader would not find out and go on for ever.
                await self._transport.close(code=code, message=reason.encode(), drain=False)
