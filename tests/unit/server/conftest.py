import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, web
from aiohttp.test_utils import TestClient, TestServer

from simplevoice.config import Config
from simplevoice.protocol import AnyServerMessage, ClientMessage, decode_server, encode
from simplevoice.server.app import create_app, start_service
from tests.fakes.client import with_changes
from tests.fakes.engines import FakeEngines
from tests.unit.test_service import make_service

KITCHEN, WEB = "kitchen-0123456789", "web-0123456789abc"
"""Tokens of the token file, by the names that they have there."""


class Daemon:
    """A real server on loopback with fake engines."""

    def __init__(self, app: web.Application, client: TestClient[Any, Any], fakes: FakeEngines) -> None:
        self.app = app
        self.http = client
        self.fakes = fakes

    async def connect(self, *, headers: dict[str, str] | None = None, **query: str) -> "Line":
        query = {"connection_id": "c", "language": "en", **query}
        socket = await self.http.ws_connect("/ws/simple-voice-chat", params=query, headers=headers, max_msg_size=0)
        return Line(socket)

    async def status(self) -> dict[str, Any]:
        async with self.http.get("/ws/simple-voice-chat/status") as response:
            answer: dict[str, Any] = await response.json()
            return answer


class Line:
    """One client's WebSocket, bare: tests send what is no message, under any header, and look at the close."""

    def __init__(self, socket: ClientWebSocketResponse[Any]) -> None:
        self.socket = socket

    async def say(self, message: ClientMessage | bytes | str) -> None:
        if isinstance(message, bytes):
            await self.socket.send_bytes(message)
        else:
            await self.socket.send_str(message if isinstance(message, str) else encode(message))

    async def next(self) -> AnyServerMessage:
        return decode_server(await self.socket.receive_str(timeout=10))

    async def closed(self) -> tuple[int, str]:
        """Wait for the close; gives its code and reason."""
        while True:
            message = await self.socket.receive(timeout=10)
            if message.type.name in ("CLOSE", "CLOSING", "CLOSED"):
                return int(message.data or self.socket.close_code or 0), str(message.extra or "")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with two tokens."""
    file = tmp_path / "tokens"
    file.touch(0o600)
    file.write_text(f"kitchen:{KITCHEN}\nweb:{WEB}\n")
    return file


Start = Callable[..., Awaitable[Daemon]]


@pytest.fixture
async def daemon() -> AsyncIterator[Start]:
    """Start a daemon; keyword arguments are settings, ``limits_max_connections=1``."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def start(fakes: FakeEngines | None = None, *, loaded: bool = True, **settings: Any) -> Daemon:
            config = with_changes(Config(), "limits", drain_seconds=2.0)
            for name, value in settings.items():
                section, _, field = name.partition("_")
                config = with_changes(config, section, **{field: value})
            fakes = fakes or FakeEngines()
            app = create_app(config, make_service(fakes))
            client = await stack.enter_async_context(TestClient(TestServer(app)))
            if loaded:
                await start_service(app)
            return Daemon(app, client, fakes)

        yield start
    left = {
        task for task in asyncio.all_tasks() - before if task.get_name().startswith(("turn", "writer", "idle", "stay"))
    }
    assert not left
