import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector, UnixConnector, web

from simplevoice import systemd
from simplevoice.config import ServerConfig
from simplevoice.server.listeners import listen


@pytest.fixture
async def runner() -> AsyncIterator[web.AppRunner]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    yield runner
    await runner.cleanup()


async def answer(url: str, connector: Any) -> str:
    async with ClientSession(connector=connector) as client, client.get(url) as response:
        return await response.text()


async def test_listens_on_the_configured_address(runner: web.AppRunner) -> None:
    assert await listen(runner, ServerConfig(host="127.0.0.1", port=0)) is False
    [(host, port)] = runner.addresses
    assert await answer(f"http://{host}:{port}/", TCPConnector()) == "hello"


async def test_an_address_in_use_is_an_error(runner: web.AppRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await listen(runner, ServerConfig(port=taken.getsockname()[1]))


async def test_inherited_sockets_of_every_family_take_the_place_of_the_address(
    runner: web.AppRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "socket")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    four = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    monkeypatch.setattr(systemd, "inherited_sockets", lambda: [("http", four), ("http", six), ("local", unix)])
    assert await listen(runner, ServerConfig(port=9)) is True
    assert len(runner.addresses) == 3
    assert await answer(f"http://127.0.0.1:{four.getsockname()[1]}/", TCPConnector()) == "hello"
    assert await answer(f"http://[::1]:{six.getsockname()[1]}/", TCPConnector()) == "hello"
    assert await answer("http://local/", UnixConnector(path)) == "hello"


async def test_who_connects_after_the_end_waits_for_the_next_daemon(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = socket.create_server(("127.0.0.1", 0))  # as systemd keeps it
    monkeypatch.setattr(systemd, "inherited_sockets", lambda: [("http", kept.dup())])
    await listen(runner, ServerConfig())
    await runner.cleanup()
    with socket.create_connection(kept.getsockname(), timeout=5) as client:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):  # neither refused nor closed
            client.recv(1)
        accepted, _ = kept.accept()
        accepted.close()
    kept.close()
