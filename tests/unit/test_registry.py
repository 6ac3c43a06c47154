import asyncio
import json

import pytest

from simplevoice.caller import ANYBODY, Caller, Token
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.outgoing import MAX_QUEUED_MESSAGES
from simplevoice.protocol import Pong, ProcessingStarted
from simplevoice.registry import Connection, ConnectionRegistry, ConnectionState


class Wire:
    """The other end: takes messages while it is open."""

    def __init__(self) -> None:
        self.taken: list[str | bytes] = []
        self.closed: tuple[int, bytes] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.aborted = False

    async def send_str(self, data: str) -> None:
        await self._take(json.loads(data)["type"])

    async def send_bytes(self, data: bytes) -> None:
        await self._take(data)

    async def _take(self, data: str | bytes) -> None:
        await self.open.wait()
        if self.failure:
            raise self.failure
        self.taken.append(data)

    async def pong(self, message: bytes) -> None:
        await self._take(b"pong " + message)

    async def close(self, *, code: int, message: bytes, drain: bool) -> None:
        self.closed = (code, message)

    def abort(self) -> None:
        self.aborted = True


class Conversation:
    state: ConnectionState = "thinking"
    waiting = 2

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.reasons: list[str] = []

    async def stop(self, reason: str) -> None:
        self.reasons.append(reason)
        await self.connection.send(Pong())

    async def finish(self) -> None:
        self.reasons.append("finished")


def connect(
    wire: Wire, name: str = "c", session: str = "s", send_timeout: float = 5.0, client: Caller = ANYBODY
) -> Connection:
    return Connection(
        wire,
        connection_id=name,
        session_id=session,
        language="en",
        voice_type="female",
        turn_detection="none",
        send_timeout=send_timeout,
        client=client,
    )


def started(turn: str) -> ProcessingStarted:
    return ProcessingStarted(turn_id=turn, message="")


async def test_messages_leave_in_order_with_their_payload_right_behind() -> None:
    wire = Wire()
    connection = connect(wire)
    await connection.send(Pong())
    await connection.send(started("t"), b"chunk", "t")
    await connection.send(Pong())
    await connection.close()
    assert wire.taken == ["pong", "processing_started", b"chunk", "pong"]
    assert wire.closed == (1000, b"")


async def test_the_first_close_decides_and_nothing_is_taken_after_it() -> None:
    wire = Wire()
    connection = connect(wire)
    await asyncio.gather(connection.close(1008, "replaced"), connection.close(1000, "late"))
    await connection.send(Pong())
    assert wire.closed == (1008, b"replaced")
    assert wire.taken == []


async def test_a_discarded_turn_says_nothing_more() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire)
    await connection.send(Pong())  # the writer holds this one
    await asyncio.sleep(0)
    await connection.send(started("old"), None, "old")
    await connection.send(started("new"), b"new", "new")
    connection.discard("old")
    await connection.send(started("old"), b"old", "old")
    wire.open.set()
    await connection.close()
    assert wire.taken == ["pong", "processing_started", b"new"]


async def test_a_full_queue_makes_the_sender_wait() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire)
    for _ in range(MAX_QUEUED_MESSAGES + 1):  # and one that the writer holds
        await connection.send(Pong())
        await asyncio.sleep(0)
    waiting = asyncio.create_task(connection.send(Pong()))
    await asyncio.sleep(0)
    assert not waiting.done()
    wire.open.set()
    await waiting
    await connection.close()
    assert len(wire.taken) == MAX_QUEUED_MESSAGES + 2


async def test_a_message_larger_than_the_bound_goes_alone() -> None:
    wire = Wire()
    connection = connect(wire)
    large = bytes(20 * 2**20)
    await connection.send(started("t"), large, "t")
    await connection.close()
    assert wire.taken == ["processing_started", large]


async def test_a_client_that_takes_nothing_is_closed() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire, send_timeout=0.05)
    for _ in range(MAX_QUEUED_MESSAGES + 5):
        await connection.send(Pong())
    await connection.close()
    assert wire.closed == (1008, b"slow client")
    assert wire.aborted


async def test_of_the_pings_that_wait_the_last_is_answered_before_what_is_queued() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire)
    await connection.send(started("t"))  # the writer holds this one
    await asyncio.sleep(0)
    await connection.send(Pong())
    for number in range(1000):
        connection.pong(b"%d" % number)
    wire.open.set()
    await connection.close()
    assert wire.taken == ["processing_started", b"pong 999", "pong"]
    assert not wire.aborted


async def test_a_lost_client_ends_the_writer_and_frees_senders() -> None:
    wire = Wire()
    wire.failure = ConnectionResetError("gone")
    connection = connect(wire)
    await connection.send(Pong())
    await connection.close()
    assert connection.closed
    await connection.send(Pong())
    assert wire.taken == []


async def test_the_conversation_is_stopped_while_it_can_still_speak() -> None:
    wire = Wire()
    connection = connect(wire)
    conversation = Conversation(connection)
    connection.owner = conversation
    await connection.close(1008, "replaced")
    assert conversation.reasons == ["replaced"]
    assert wire.taken == ["pong"]


async def test_same_session_takes_over_and_another_is_refused() -> None:
    registry = ConnectionRegistry()
    old, new, stranger = connect(Wire()), connect(Wire()), connect(Wire(), session="other")
    assert registry.add(old) is None
    assert registry.add(new) is old
    registry.remove(old)
    assert list(registry) == [new]
    with pytest.raises(ClientError) as refusal:
        registry.add(stranger)
    assert refusal.value.code is ErrorCode.CONNECTION_ID_IN_USE
    registry.remove(new)
    assert len(registry) == 0
    for connection in (old, new, stranger):
        await connection.close()


async def test_the_same_names_with_another_token_are_another_session() -> None:
    registry = ConnectionRegistry()
    kitchen, web = (Caller(Token(name, b""), "192.0.2.1") for name in ("kitchen", "web"))
    old, stranger = connect(Wire(), client=kitchen), connect(Wire(), client=web)
    registry.add(old)
    with pytest.raises(ClientError):
        registry.add(stranger)
    assert old.owned_session != stranger.owned_session
    assert old.snapshot().client == "kitchen"
    assert old.snapshot().address == "192.0.2.1"
    for connection in (old, stranger):
        await connection.close()


async def test_snapshot_tells_the_facts_as_they_are_now() -> None:
    registry = ConnectionRegistry()
    connection = connect(Wire())
    registry.add(connection)
    connection.owner = Conversation(connection)
    connection.message_count = 3
    (seen,) = registry.snapshot()
    assert (seen.connection_id, seen.state, seen.message_count, seen.last_response_time_ms) == (
        "c",
        "thinking",
        3,
        None,
    )
    assert seen.duration_seconds >= 0
    await connection.close()


async def test_what_waits_can_be_seen() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire)
    for _ in range(3):
        await connection.send(started("t"), b"chunk", "t")
        await asyncio.sleep(0)
    assert (connection.state, connection.waiting) == ("idle", 0)
    assert connection.queued_messages == 2
    assert connection.queued_bytes > 2 * len(b"chunk")
    wire.open.set()
    connection.owner = Conversation(connection)
    assert (connection.state, connection.waiting) == ("thinking", 2)
    await connection.close()
    assert (connection.queued_messages, connection.queued_bytes) == (0, 0)
