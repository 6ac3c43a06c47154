import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from structlog.testing import capture_logs

from simplevoice.config import Config
from simplevoice.config.sources import load
from simplevoice.errors import EngineError
from simplevoice.protocol import GoingAway, TextMessage, VoiceResponse, decode_server, encode
from simplevoice.server.app import create_app
from simplevoice.server.keys import LIFECYCLE, LIVE
from simplevoice.server.live import Commit
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
    running = asyncio.create_task(serve(app, load))
    while app[LIFECYCLE].phase != "running":
        await asyncio.sleep(0.01)
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/readyz") as response:
        assert response.status == 200
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert fakes.model.calls[-1] == "close"
    assert app[LIFECYCLE].phase == "draining"


async def test_a_port_in_use_ends_it_and_is_told_in_few_words() -> None:
    with socket.socket() as taken, capture_logs() as log:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert await serve(make_app(FakeEngines(), port), load) == 1
    [told] = [entry for entry in log if entry["event"] == "cannot_listen"]
    assert (told["host"], told["port"], told["error"]) == ("127.0.0.1", port, "Address already in use")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"host": "0.0.0.0"}, "on 0.0.0.0 everybody on the network could talk to the daemon"),
        ({"auth_token_file": "/nonexistent/tokens"}, "/nonexistent/tokens: can't be read: No such file or directory"),
        ({"tls_cert": "/nonexistent/c", "tls_key": "k"}, "server.tls_cert: /nonexistent/c can't be read"),
    ],
)
async def test_what_nobody_may_start_with_is_told_in_a_sentence(settings: dict[str, Any], why: str) -> None:
    config = with_changes(Config(), "server", port=0, **settings)
    with capture_logs() as log:
        assert await serve(create_app(config, make_service(FakeEngines())), load) == 1
    (told,) = (entry for entry in log if entry["event"] == "cannot_start")
    assert told["error"].startswith(why)


async def test_engines_that_do_not_load_end_it() -> None:
    fakes = FakeEngines()
    fakes.model.error = EngineError("no such model")
    assert await serve(make_app(fakes, 0), load) == 1


async def test_a_signal_while_loading_ends_it() -> None:
    fakes = FakeEngines()
    loading = asyncio.Event()

    async def load_for_ever() -> None:
        loading.set()
        await asyncio.Event().wait()

    fakes.model.load = load_for_ever  # type: ignore[method-assign]  # a load that never ends
    running = asyncio.create_task(serve(make_app(fakes, 0), load))
    await loading.wait()
    os.kill(os.getpid(), signal.SIGINT)
    assert await running == 0


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.told: list[str] = []

    async def hears(self, state: str) -> None:
        """Wait for a state that begins so."""
        while not any(told.startswith(state) for told in self.told):
            message = await asyncio.to_thread(self._channel.recv, 1000)
            self.told += message.decode().splitlines()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield Systemd(channel)


async def test_systemd_is_told_of_readiness_no_sooner_than_engines_are_loaded(systemd: Systemd) -> None:
    fakes = FakeEngines()
    loading, loaded = asyncio.Event(), asyncio.Event()

    async def load_slowly() -> None:
        loading.set()
        await loaded.wait()
        fakes.model.state = "ready"

    fakes.model.load = load_slowly  # type: ignore[method-assign]  # until it is let go
    running = asyncio.create_task(serve(make_app(fakes, 0), load))
    await loading.wait()
    await systemd.hears("STATUS=starting")
    assert "READY=1" not in systemd.told
    loaded.set()
    await systemd.hears("READY=1")
    await systemd.hears("STATUS=running: 0 connections; stt fake ready, llm fake ready, tts fake ready")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    await systemd.hears("STOPPING=1")
    assert systemd.told[-1] == "STOPPING=1"


async def test_while_it_drains_it_answers_that_it_is_not_ready_and_turns_newcomers_away(systemd: Systemd) -> None:
    fakes, port = FakeEngines(), free_port()
    fakes.model.gate.shut()
    running = asyncio.create_task(serve(make_app(fakes, port), load))
    await systemd.hears("READY=1")
    chat = f"http://127.0.0.1:{port}/ws/simple-voice-chat"
    async with ClientSession() as http, http.ws_connect(f"{chat}?connection_id=c") as client:
        await client.send_str(encode(TextMessage(text="hello")))
        await fakes.model.gate.reached.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await systemd.hears("STOPPING=1")
        async with http.get(f"http://127.0.0.1:{port}/readyz") as ready:
            assert (ready.status, await ready.text()) == (503, "draining\n")
        async with http.get(f"{chat}?connection_id=d") as upgrade:
            assert upgrade.status == 503
            assert int(upgrade.headers["Retry-After"]) > 0
        fakes.model.gate.opened.set()
        received = [decode_server(message.data) async for message in client]
        assert any(isinstance(message, GoingAway) for message in received)
        assert isinstance(received[-1], VoiceResponse)
        assert client.close_code == 1001
    assert await running == 0


async def test_with_inherited_sockets_newcomers_wait_for_the_next_daemon(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr("simplevoice.systemd.inherited_sockets", lambda: [("http", kept.dup())])
    url = f"http://127.0.0.1:{kept.getsockname()[1]}/readyz"
    first = asyncio.create_task(serve(make_app(FakeEngines(), 9), load))
    await systemd.hears("READY=1")
    os.kill(os.getpid(), signal.SIGTERM)
    async with ClientSession() as http:
        await systemd.hears("STOPPING=1")
        asking = asyncio.create_task(http.get(url))
        assert await first == 0
        assert not asking.done()
        systemd.told.clear()
        second = asyncio.create_task(serve(make_app(FakeEngines(), 9), load))
        async with await asking as answer:
            assert await answer.text() == "ready\n"
        await systemd.hears("READY=1")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await second == 0
    kept.close()


async def test_a_hangup_reloads_and_a_stop_in_the_middle_of_it_stops(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(FakeEngines(), 0)
    running = asyncio.create_task(serve(app, load))
    await systemd.hears("READY=1")
    systemd.told.clear()
    os.kill(os.getpid(), signal.SIGHUP)
    await systemd.hears("RELOADING=1")
    await systemd.hears("READY=1")

    async def endless(_: Config) -> Commit:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        raise AssertionError("the stop did not come through")

    app[LIVE].parts.append(endless)
    os.kill(os.getpid(), signal.SIGHUP)
    assert await running == 0
