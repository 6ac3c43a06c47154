"""What is left of a connection whose client does not read."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from simplevoice.server import socket as module
from simplevoice.server.socket import ClientSocket
from simplevoice.server.traffic import Traffic


class Line:
    """A client that reads nothing, and the server's end of its connection."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.sockets: list[ClientSocket] = []

    async def handle(self, request: web.Request) -> ClientSocket:
        socket = ClientSocket(1000, Traffic())
        await socket.prepare(request)
        self.sockets.append(socket)
        assert request.transport is not None
        request.transport.set_write_buffer_limits(high=2**30)
        await socket.send_bytes(bytes(30 * 2**20))  # more than the system's own buffers take
        socket.release()
        await self.lost.wait()
        return socket


async def connect(line: Line) -> TestClient[Any, Any]:
    app = web.Application()
    app.router.add_get("/", line.handle)
    client = TestClient(TestServer(app))
    await client.start_server()
    return client


async def transport_of(line: Line) -> asyncio.Transport:
    while not (line.sockets and line.sockets[0]._transport and line.sockets[0]._transport.get_write_buffer_size()):
        await asyncio.sleep(0)
    return line.sockets[0]._transport


@pytest.mark.parametrize("way", ["released", "aborted"])
async def test_what_nobody_reads_is_dropped(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.01 if way == "released" else 3600)
    line = Line()
    client = await connect(line)
    socket = await client.ws_connect("/")
    socket._conn.protocol.pause_reading()  # type: ignore[union-attr]  # an aiohttp client reads ahead
    transport = await transport_of(line)
    if way == "aborted":
        line.sockets[0].abort()
    while not transport.is_closing():
        await asyncio.sleep(0.001)
    line.lost.set()
    await client.close()


async def test_a_socket_that_is_gone_can_be_dropped_again() -> None:
    socket = ClientSocket(1000, Traffic())
    socket.abort()
    socket.release()
