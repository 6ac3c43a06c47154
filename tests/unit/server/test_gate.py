import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from simplevoice.server.gate import Gate

GOOD = b"HTTP/1.1 200 OK\r\n"


class Line:
    """A client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self) -> bytes:
        """Give the first line of the answer; empty where it was hung up."""
        try:
            self.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            return await self.reader.readline()
        except ConnectionError:
            return b""


class Server:
    """A server behind a gate that lets ``bound`` wait."""

    def __init__(self) -> None:
        self.bound = 2
        self.conversations = 0
        self.port = 0
        self.lines: list[Line] = []

    async def connect(self) -> Line:
        self.lines.append(Line(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.lines[-1]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    server = Server()
    http = web.Server(hello)
    gate = Gate(http, lambda: server.conversations, lambda: server.bound)
    listening = await asyncio.get_running_loop().create_server(gate, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    for line in server.lines:
        line.writer.close()
        with suppress(ConnectionError):
            await line.writer.wait_closed()
    listening.close()
    await http.shutdown()


async def test_who_comes_while_too_many_wait_is_hung_up_on(server: Server) -> None:
    waiting = [await server.connect() for _ in range(2)]
    assert await waiting[0].ask() == GOOD
    with capture_logs() as log:
        assert [await (await server.connect()).ask() for _ in range(3)] == [b""] * 3
    assert [entry["event"] for entry in log] == ["too_many_waiting_sockets"], "told once"
    waiting[0].writer.close()
    while await (await server.connect()).ask() != GOOD:
        await asyncio.sleep(0)


async def test_conversations_do_not_count(server: Server) -> None:
    for line in [await server.connect() for _ in range(2)]:
        assert await line.ask() == GOOD
    server.conversations = 2
    for line in [await server.connect() for _ in range(2)]:
        assert await line.ask() == GOOD
    assert await (await server.connect()).ask() == b""
