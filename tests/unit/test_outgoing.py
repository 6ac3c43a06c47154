import asyncio
import json
from contextlib import suppress

import pytest

from simplevoice.outgoing import AT_ONCE_BYTES, DISCARDED_TURNS, MAX_QUEUED_MESSAGES, Message, Outgoing
from tests.fakes.clock import VirtualTimeLoop


class Wire:
    """The other end: takes messages while it is open."""

    drained = False

    def __init__(self) -> None:
        self.taken: list[str | bytes] = []
        self.closed: tuple[int, bytes] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.aborted = False

    async def send_text(self, data: bytes) -> None:
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


PONG = Message(b'{"type":"pong"}', None, None)


def message(turn: str, payload: bytes | None = None) -> Message:
    return Message(b'{"type":"turn"}', payload, turn)


async def close(outgoing: Outgoing, code: int = 1000, reason: str = "") -> None:
    outgoing.begin_close(code, reason)
    await outgoing.closing()


async def test_messages_leave_in_order_with_their_payload_right_behind() -> None:
    wire = Wire()
    outgoing = Outgoing(wire, 5.0)
    await outgoing.put(PONG)
    await outgoing.put(message("t", b"chunk"))
    await outgoing.put(PONG)
    await close(outgoing)
    assert wire.taken == ["pong", "turn", b"chunk", "pong"]
    assert wire.closed == (1000, b"")


async def test_the_first_close_decides_and_nothing_is_taken_after_it() -> None:
    wire = Wire()
    outgoing = Outgoing(wire, 5.0)
    await asyncio.gather(close(outgoing, 1008, "replaced"), close(outgoing, 1000, "late"))
    await outgoing.put(PONG)
    assert wire.closed == (1008, b"replaced")
    assert wire.taken == []


async def test_a_discarded_turn_says_nothing_more() -> None:
    wire = Wire()
    wire.open.clear()
    outgoing = Outgoing(wire, 5.0)
    await outgoing.put(PONG)  # the writer holds this one
    await asyncio.sleep(0)
    await outgoing.put(message("old"))
    await outgoing.put(message("new", b"new"))
    outgoing.discard("old")
    await outgoing.put(message("old", b"old"))
    wire.open.set()
    await close(outgoing)
    assert wire.taken == ["pong", "turn", b"new"]


async def test_a_full_queue_makes_the_sender_wait() -> None:
    wire = Wire()
    wire.open.clear()
    outgoing = Outgoing(wire, 5.0)
    for _ in range(MAX_QUEUED_MESSAGES + 1):  # and one that the writer holds
        await outgoing.put(PONG)
        await asyncio.sleep(0)
    waiting = asyncio.create_task(outgoing.put(PONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    wire.open.set()
    await waiting
    await close(outgoing)
    assert len(wire.taken) == MAX_QUEUED_MESSAGES + 2


async def test_a_message_larger_than_the_bound_goes_alone() -> None:
    wire = Wire()
    outgoing = Outgoing(wire, 5.0)
    large = bytes(20 * 2**20)
    await outgoing.put(message("t", large))
    await close(outgoing)
    assert wire.taken == ["turn", large]


async def test_a_client_that_takes_nothing_is_closed() -> None:
    wire = Wire()
    wire.open.clear()
    outgoing = Outgoing(wire, 0.05)
    for _ in range(MAX_QUEUED_MESSAGES + 5):
        await outgoing.put(PONG)
    await close(outgoing)
    assert wire.closed == (1008, b"slow client")
    assert wire.aborted


class SlowWire(Wire):
    """Takes each message just in time."""

    async def _take(self, data: str | bytes) -> None:
        await asyncio.sleep(4.0)
        self.taken.append(data)


def test_at_the_end_all_that_is_queued_has_to_be_taken_in_time() -> None:
    wire = SlowWire()

    async def end() -> float:
        outgoing = Outgoing(wire, 5.0)
        for _ in range(20):
            await outgoing.put(PONG)
        await asyncio.sleep(39.0)  # it is slow, and may be
        begun = asyncio.get_running_loop().time()
        await close(outgoing)
        return asyncio.get_running_loop().time() - begun

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(end()) <= 5.0
    assert len(wire.taken) == 10
    assert wire.aborted


async def test_of_the_pings_that_wait_the_last_is_answered_before_what_is_queued() -> None:
    wire = Wire()
    wire.open.clear()
    outgoing = Outgoing(wire, 5.0)
    await outgoing.put(message("t"))  # the writer holds this one
    await asyncio.sleep(0)
    await outgoing.put(PONG)
    for number in range(1000):
        outgoing.pong(b"%d" % number)
    wire.open.set()
    await close(outgoing)
    assert wire.taken == ["turn", b"pong 999", "pong"]
    assert not wire.aborted


async def test_a_lost_client_ends_the_writer_and_frees_senders() -> None:
    wire = Wire()
    wire.failure = ConnectionResetError("gone")
    outgoing = Outgoing(wire, 5.0)
    await outgoing.put(PONG)
    await close(outgoing)
    assert outgoing.closed
    await outgoing.put(PONG)
    assert wire.taken == []


async def test_the_writer_is_there_only_while_there_is_something_to_write() -> None:
    outgoing = Outgoing(Wire(), 5.0)
    before = asyncio.all_tasks()
    for _ in range(3):
        await outgoing.put(PONG)
        outgoing.pong(b"")
        (writer,) = asyncio.all_tasks() - before
        await writer
        assert asyncio.all_tasks() == before
    await close(outgoing)


async def test_a_sender_that_gives_up_leaves_its_place_in_the_line() -> None:
    wire = Wire()
    wire.open.clear()
    outgoing = Outgoing(wire, 5.0)
    for _ in range(MAX_QUEUED_MESSAGES + 1):
        await outgoing.put(PONG)
        await asyncio.sleep(0)
    first, second = (asyncio.create_task(outgoing.put(message(turn))) for turn in ("first", "second"))
    await asyncio.sleep(0)
    first.cancel()
    wire.open.set()
    await second
    await close(outgoing)
    assert wire.taken == ["pong"] * (MAX_QUEUED_MESSAGES + 1) + ["turn"]


async def test_so_many_discarded_turns_are_remembered() -> None:
    wire = Wire()
    outgoing = Outgoing(wire, 5.0)
    for number in range(DISCARDED_TURNS + 1):
        outgoing.discard(str(number))
    for number in range(DISCARDED_TURNS + 1):
        await outgoing.put(message(str(number), b"%d" % number))
    await close(outgoing)
    assert wire.taken == ["turn", b"0"]


async def test_a_broken_transport_closes_and_is_told() -> None:
    wire = Wire()
    wire.failure = RuntimeError("broken")
    outgoing = Outgoing(wire, 5.0)
    await outgoing.put(PONG)
    with pytest.raises(RuntimeError, match="broken"):
        await outgoing.closing()
    assert wire.closed == (1011, b"")


async def test_what_finds_nothing_before_it_is_written_at_once() -> None:
    wire = Wire()
    wire.drained = True
    outgoing = Outgoing(wire, 5.0)
    before = asyncio.all_tasks()
    await outgoing.put(message("t", b"chunk"))
    await outgoing.put(message("t", bytes(AT_ONCE_BYTES)))
    assert wire.taken == ["turn", b"chunk"], "a large message waits for its writer"
    await outgoing.put(PONG)
    assert wire.taken == ["turn", b"chunk"], "and is not overtaken"
    assert len(asyncio.all_tasks() - before) == 1
    outgoing.discard("t")
    await close(outgoing)
    assert wire.taken == ["turn", b"chunk", "pong"]


async def test_who_writes_at_once_is_not_overtaken_and_others_are_not_forgotten() -> None:
    wire = Wire()
    wire.drained = True
    wire.open.clear()
    outgoing = Outgoing(wire, 5.0)
    first = asyncio.create_task(outgoing.put(message("first")))
    await asyncio.sleep(0)
    await outgoing.put(PONG)
    outgoing.pong(b"")
    wire.open.set()
    await first
    await close(outgoing)
    assert wire.taken == ["turn", b"pong ", "pong"]


@pytest.mark.parametrize(("failure", "code"), [(ConnectionResetError("gone"), 1000), (RuntimeError("broken"), 1011)])
async def test_what_goes_wrong_at_once_closes(failure: Exception, code: int) -> None:
    wire = Wire()
    wire.drained = True
    wire.failure = failure
    outgoing = Outgoing(wire, 5.0)
    with suppress(RuntimeError):
        await outgoing.put(PONG)
    assert outgoing.closed
    await outgoing.closing()
    assert wire.closed == (code, b"")


async def test_nothing_of_a_discarded_turn_is_written_at_once() -> None:
    wire = Wire()
    wire.drained = True
    outgoing = Outgoing(wire, 5.0)
    outgoing.discard("old")
    await outgoing.put(message("old"))
    await outgoing.put(message("new"))
    assert wire.taken == ["turn"]
    await close(outgoing)
