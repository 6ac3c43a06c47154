import asyncio
import io
from typing import Literal

import pytest
from aiohttp import web

from simplevoice import logs
from simplevoice.config import LoggingConfig
from simplevoice.logs.masking import mask

SECRET = "kitchen-0123456789.~_"


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        (f"GET /ws?token={SECRET}&language=en HTTP/1.1", "GET /ws?token=***&language=en HTTP/1.1"),
        (f"GET /ws?ticket={SECRET} HTTP/1.1", "GET /ws?ticket=*** HTTP/1.1"),
        (f"b'/?TOKEN={SECRET}'", "b'/?TOKEN=***'"),
        (f'{{"error": "Authorization: Bearer {SECRET}"}}', '{"error": "Authorization: Bearer ***"}'),
        (f"offered ['simplevoice', 'simplevoice.token.{SECRET}']", "offered ['simplevoice', 'simplevoice.token.***']"),
        (f"simplevoice.token.{SECRET}\\r\\n", "simplevoice.token.***\\r\\n"),
        ("max_tokens=160 history_token=5", "max_tokens=160 history_token=5"),
        ("a bearer", "a bearer"),
    ],
)
def test_what_requests_carry_is_masked(line: str, masked: str) -> None:
    assert mask(None, "", line) == masked


async def upgrade(request: web.BaseRequest) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=["simplevoice"])
    await socket.prepare(request)
    raise RuntimeError(f"no good: {request.rel_url}")


async def send_what_is_quoted() -> None:
    """Send requests that the HTTP library quotes in its errors and warnings."""
    server = await asyncio.get_running_loop().create_server(web.Server(upgrade), "127.0.0.1", 0)
    for request in (
        f"GET /ws?token={SECRET} HTTP/9.9.9\r\n\r\n",
        f"GET /ws?token={SECRET} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {SECRET}\r\nbad header\r\n\r\n",
        f"GET /ws?ticket={SECRET} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        f"Sec-WebSocket-Protocol: chat, simplevoice.token.{SECRET}\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request.encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()
    server.close()


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_the_http_library_quotes_is_masked(form: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    with logs.configure(LoggingConfig(level="debug", format=form), stream):
        asyncio.run(send_what_is_quoted())
    written = stream.getvalue()
    assert SECRET not in written
    assert written.count("***") >= 3, f"nothing was quoted, so the test shows nothing: {written}"
