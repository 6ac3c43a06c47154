"""The outgoing queue of a slow client: what waits for room keeps its place, and never waits for nothing."""

import asyncio

from simplevoice.outgoing import MAX_QUEUED_MESSAGES
from simplevoice.protocol import Pong, ProcessingStarted
from simplevoice.registry import Connection
from tests.races.scene import rest
from tests.unit.test_outgoing import Wire
from tests.unit.test_registry import connect


def message(turn: str) -> ProcessingStarted:
    return ProcessingStarted(turn_id=turn, message="")


async def fill(connection: Connection, turn: str) -> None:
    """One message that the writer holds, and a full queue behind it."""
    await connection.send(Pong())
    await rest()
    for _ in range(MAX_QUEUED_MESSAGES):
        await connection.send(message(turn), None, turn)


class Steps(Wire):
    """Takes one message for each permit."""

    def __init__(self) -> None:
        super().__init__()
        self.permits = asyncio.Semaphore(0)
        self.texts: list[str] = []

    async def send_text(self, data: bytes) -> None:
        await self.permits.acquire()
        self.texts.append(data.decode())


async def test_a_message_that_waits_for_room_is_not_overtaken() -> None:
    wire = Steps()
    connection = connect(wire)
    await fill(connection, "old")
    first = asyncio.create_task(connection.send(message("first")))
    await rest()
    wire.permits.release()
    # It runs behind the writer, which makes room and wakes the first one, and before that one is awake.
    second = asyncio.create_task(connection.send(message("second")))
    for _ in range(2 * MAX_QUEUED_MESSAGES):
        wire.permits.release()
    await asyncio.gather(first, second)
    await connection.close()
    assert ["first" in text or "second" in text for text in wire.texts[-2:]] == [True, True]
    assert "first" in wire.texts[-2]


async def test_room_that_a_discarded_turn_leaves_is_given_to_those_who_wait() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire)
    await fill(connection, "old")
    waiting = asyncio.create_task(connection.send(Pong()))
    await rest()
    assert not waiting.done()
    connection.discard("old")
    await waiting
    wire.open.set()
    await connection.close()
    assert wire.taken == ["pong", "pong"]


async def test_a_client_that_takes_nothing_releases_all_who_wait() -> None:
    wire = Wire()
    wire.open.clear()
    connection = connect(wire, send_timeout=0.05)
    await fill(connection, "old")
    await asyncio.gather(*(connection.send(Pong()) for _ in range(10)))
    await connection.close()
    assert wire.closed == (1008, b"slow client")
