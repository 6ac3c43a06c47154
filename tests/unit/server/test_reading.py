"""The read loop, against clients that ping, dawdle and flood."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType

from simplevoice.config import Config, LimitsConfig
from simplevoice.protocol import ErrorMessage, Ping, Pong
from simplevoice.server.admission.stay import Stay
from simplevoice.server.reading import MAX_REFUSED_IN_A_ROW, read
from tests.fakes.client import connected
from tests.fakes.engines import FakeEngines
from tests.unit.server.conftest import Daemon, Line, Start

URL = "/ws/simple-voice-chat?connection_id=c&language=en"


async def ponging(service: Daemon) -> ClientWebSocketResponse[Any]:
    """Connect as a client that sees pongs."""
    socket = await service.http.ws_connect(URL, autoping=False)
    await socket.receive_str(timeout=10)
    return socket


async def test_a_ping_of_the_websocket_is_answered_with_what_it_carried(daemon: Start) -> None:
    socket = await ponging(await daemon())
    await socket.ping(b"are you there")
    answer = await socket.receive(timeout=10)
    assert (answer.type, answer.data) == (WSMsgType.PONG, b"are you there")


async def test_a_flood_of_pings_is_refused_and_then_closed(daemon: Start) -> None:
    socket = await ponging(await daemon(limits_messages_per_second=1.0))
    for _ in range(MAX_REFUSED_IN_A_ROW + 10):
        await socket.ping()
    answers = [answer async for answer in socket]
    kinds = [answer.type for answer in answers]
    assert 1 <= kinds.count(WSMsgType.PONG) <= 2
    assert kinds.count(WSMsgType.TEXT) == MAX_REFUSED_IN_A_ROW
    assert "RATE_LIMITED" in answers[-1].data
    assert (socket.close_code, kinds[-1]) == (1008, WSMsgType.TEXT)


async def test_pings_and_pongs_do_not_keep_a_connection_from_being_idle(daemon: Start) -> None:
    socket = await ponging(await daemon(limits_idle_timeout_seconds=0.1, limits_messages_per_second=10_000.0))
    while not socket.closed:
        await socket.ping()
        await socket.pong()
        await socket.receive(timeout=10)
    assert socket.close_code == 1008


async def test_a_message_that_never_ends_does_not_keep_a_connection_from_being_idle(daemon: Start) -> None:
    line = await (await daemon(limits_idle_timeout_seconds=0.1)).connect()
    await line.next()
    writing = asyncio.create_task(write_for_ever(line))
    assert await line.closed() == (1008, "idle timeout")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def write_for_ever(line: Line) -> None:
    """Begin a message of 60,000 bytes, and send one after the other."""
    connection = line.socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.write(b"\x81\xfe\xea\x60" + bytes(4))
    while not connection.transport.is_closing():
        connection.transport.write(b" ")
        await asyncio.sleep(0.001)


STAY = Stay(idle_seconds=1.0, drain_seconds=1.0, ends_at=math.inf, quiet_since=0.0)


class _Flood:
    """Has always another message, without ever waiting."""

    def __init__(self, message: WSMessage, count: int) -> None:
        self._message = message
        self.left = count

    async def receive(self) -> WSMessage:
        self.left -= 1
        return self._message if self.left else WSMessage(WSMsgType.CLOSE, 1000, "")


@pytest.fixture
async def steps() -> AsyncIterator[list[int]]:
    """Counts what another task gets done meanwhile."""
    done: list[int] = []

    async def work() -> None:
        while True:
            done.append(len(done))
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    yield done
    working.cancel()


@pytest.mark.parametrize("message", [WSMessage(WSMsgType.PONG, b"", ""), WSMessage(WSMsgType.BINARY, b"", "")])
async def test_a_flood_is_taken_in_turns_with_other_work(steps: list[int], message: WSMessage) -> None:
    limits = LimitsConfig(messages_per_second=10_000.0)
    async with connected(FakeEngines(), Config(limits=limits)) as client:
        await client.say('{"type":"audio_start","format":"pcm16","sample_rate":16000}')
        socket: Any = _Flood(message, 300)
        assert await read(socket, client.connection, client.conversation, limits, STAY) == (1000, "")
        assert len(steps) >= 300


async def test_a_client_is_not_idle_while_its_message_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = LimitsConfig()
    stay = Stay(1.0, 1.0, math.inf, quiet_since=0.0)
    seen = []
    async with connected(FakeEngines(), Config(limits=limits)) as client:

        async def work(*_: object) -> None:
            seen.append(stay.quiet_since)

        monkeypatch.setattr(type(client.conversation), "receive", work)
        socket: Any = _Flood(WSMessage(WSMsgType.TEXT, "{}", ""), 3)
        assert await read(socket, client.connection, client.conversation, limits, stay) == (1000, "")
    assert seen == [math.inf] * 2
    assert 0.0 < stay.quiet_since < math.inf


async def test_a_stream_is_free_of_the_rate(daemon: Start) -> None:
    line = await (await daemon(limits_messages_per_second=1.0)).connect()
    await line.next()
    await line.say('{"type":"audio_start","format":"pcm16","sample_rate":16000}')
    for _ in range(200):
        await line.say(b"\0\0")
    await line.say(Ping())
    assert isinstance(await line.next(), Pong | ErrorMessage)
    assert not line.socket.closed
