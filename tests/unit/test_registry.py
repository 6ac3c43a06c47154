import asyncio

import pytest

from simplevoice.caller import ANYBODY, Caller, Token
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.protocol import Pong, ProcessingStarted
from simplevoice.registry import Connection, ConnectionRegistry, ConnectionState
from tests.unit.test_outgoing import Wire


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
