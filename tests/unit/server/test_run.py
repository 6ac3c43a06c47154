import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from simplevoice.config import Config
from simplevoice.errors import EngineError
from simplevoice.server.app import create_app
from simplevoice.server.keys import LIFECYCLE
from simplevoice.server.run import serve
from tests.fakes.client import with_changes
from tests.fakes.engines import FakeEngines
from tests.unit.test_service import make_service


def make_app(fakes: FakeEngines, port: int) -> web.Application:
    return create_app(with_changes(Config(), "server", port=port), make_service(fakes))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_serves_until_a_signal_and_unloads() -> None:
    fakes, port = FakeEngines(), free_port()
    app = make_app(fakes, port)
    running = asyncio.create_task(serve(app))
    while app[LIFECYCLE].phase != "running":
        await asyncio.sleep(0.01)
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/readyz") as response:
        assert response.status == 200
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert fakes.model.calls[-1] == "close"
    assert app[LIFECYCLE].phase == "draining"


async def test_a_port_in_use_ends_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert await serve(make_app(FakeEngines(), taken.getsockname()[1])) == 1


async def test_engines_that_do_not_load_end_it() -> None:
    fakes = FakeEngines()
    fakes.model.error = EngineError("no such model")
    assert await serve(make_app(fakes, 0)) == 1


async def test_a_signal_while_loading_ends_it() -> None:
    fakes = FakeEngines()
    loading = asyncio.Event()

    async def load_for_ever() -> None:
        loading.set()
        await asyncio.Event().wait()

    fakes.model.load = load_for_ever  # type: ignore[method-assign]  # a load that never ends
    running = asyncio.create_task(serve(make_app(fakes, 0)))
    await loading.wait()
    os.kill(os.getpid(), signal.SIGINT)
    assert await running == 0


async def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        running = asyncio.create_task(serve(make_app(FakeEngines(), 0)))
        assert await asyncio.to_thread(systemd.recv, 100) == b"READY=1"
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
        assert await asyncio.to_thread(systemd.recv, 100) == b"STOPPING=1"
