from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from simplevoice.server.traffic import CountingSocket, Traffic


async def test_bytes_are_counted_both_ways() -> None:
    traffic = Traffic()

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = CountingSocket(traffic, compress=False)
        await socket.prepare(request)
        while (await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await socket.send_text("نعم".encode())
            await socket.send_bytes(b"12")
        return socket

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    async with TestClient(TestServer(app)) as client, client.ws_connect("/") as socket:
        for message in ("hello", "مرحبا"):
            await socket.send_str(message)
            assert await socket.receive_str() == "نعم"
            assert await socket.receive_bytes() == b"12"
        await socket.send_bytes(b"123")
        await socket.receive_str()
        await socket.receive_bytes()
    assert traffic == Traffic(text_in=5 + 10, binary_in=3, text_out=3 * 6, binary_out=3 * 2)
