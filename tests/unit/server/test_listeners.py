import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientConnectionError, ClientSession, TCPConnector, UnixConnector, web
from structlog.testing import capture_logs

from simplevoice import systemd
from simplevoice.config import Config
from simplevoice.errors import ConfigError
from simplevoice.server.admission.places import Places
from simplevoice.server.keys import LIVE, PLACES
from simplevoice.server.listeners import listen
from simplevoice.server.live import Commit, Live
from tests.fakes.client import with_changes


@pytest.fixture
async def runner() -> AsyncIterator[web.AppRunner]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    app[LIVE], app[PLACES] = Live(Config()), Places()
    runner = web.AppRunner(app)
    await runner.setup()
    yield runner
    await runner.cleanup()


def configure(runner: web.AppRunner, **server: Any) -> web.AppRunner:
    live = runner.app[LIVE]
    live.config = with_changes(live.config, "server", port=0, **server)
    return runner


async def answer(url: str, connector: Any) -> str:
    async with ClientSession(connector=connector) as client, client.get(url) as response:
        return await response.text()


async def test_listens_on_the_configured_address(runner: web.AppRunner) -> None:
    with closing(await listen(configure(runner))) as listeners:
        assert not listeners.inherited
        [listener] = listeners.sockets
        assert await answer(f"http://127.0.0.1:{listener.getsockname()[1]}/", TCPConnector()) == "hello"


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_tells_where_the_page_is_and_where_clients_connect(runner: web.AppRunner, host: str, shown: str) -> None:
    with capture_logs() as logs, closing(await listen(configure(runner, host=host))) as listeners:
        port = listeners.sockets[0].getsockname()[1]
    [line] = [line for line in logs if line["event"] == "listening"]
    assert line["page"] == f"http://{shown}:{port}/"
    assert line["url"] == f"ws://{shown}:{port}/ws/simple-voice-chat"


async def test_a_reload_checks_the_address_before_what_is_costly(runner: web.AppRunner) -> None:
    async def costly(_: Config) -> Commit:
        raise AssertionError("the address refuses before")

    runner.app[LIVE].parts.append(costly)
    with closing(await listen(configure(runner, host="0.0.0.0", allow_anonymous=True))), pytest.raises(ConfigError):
        await runner.app[LIVE].replace(with_changes(Config(), "server", host="0.0.0.0"))


async def test_an_address_in_use_is_an_error(runner: web.AppRunner) -> None:
    live = runner.app[LIVE]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        live.config = with_changes(live.config, "server", port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await listen(runner)


async def test_without_a_token_file_nobody_else_can_connect(runner: web.AppRunner) -> None:
    with socket.create_server(("0.0.0.0", 0)) as probe:
        port = probe.getsockname()[1]
    runner.app[LIVE].config = with_changes(Config(), "server", host="0.0.0.0", port=port)
    with pytest.raises(ConfigError, match=r"on 0\.0\.0\.0 everybody on the network could talk"):
        await listen(runner)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_name_is_judged_by_every_address_that_it_stands_for(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("127.0.0.1", "0.0.0.0")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(ConfigError, match=r"on 0\.0\.0\.0 everybody"):
        await listen(configure(runner, host="localhost"))


async def test_everybody_may_where_the_operator_says_so(runner: web.AppRunner) -> None:
    with closing(await listen(configure(runner, host="0.0.0.0", allow_anonymous=True))) as listeners:
        with pytest.raises(ConfigError):
            await runner.app[LIVE].replace(with_changes(Config(), "server", host="0.0.0.0"))
        assert runner.app[LIVE].config.server.allow_anonymous
        assert len(listeners.sockets) == 1


async def test_an_inherited_socket_is_judged_like_any_other(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        monkeypatch.setattr(systemd, "inherited_sockets", lambda: [("http", listener)])
        with pytest.raises(ConfigError):
            await listen(runner)


async def test_inherited_sockets_of_every_family_take_the_place_of_the_address(
    runner: web.AppRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "socket")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    four = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    monkeypatch.setattr(systemd, "inherited_sockets", lambda: [("http", four), ("http", six), ("local", unix)])
    ports = four.getsockname()[1], six.getsockname()[1]
    with closing(await listen(runner)) as listeners:
        assert listeners.inherited
        assert len(listeners.sockets) == 3
        await listeners.accept()
        assert await answer(f"http://127.0.0.1:{ports[0]}/", TCPConnector()) == "hello"
        assert await answer(f"http://[::1]:{ports[1]}/", TCPConnector()) == "hello"
        assert await answer("http://local/", UnixConnector(path)) == "hello"


async def test_who_connects_after_the_end_waits_for_the_next_daemon(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = socket.create_server(("127.0.0.1", 0))  # as systemd keeps it
    monkeypatch.setattr(systemd, "inherited_sockets", lambda: [("http", kept.dup())])
    (await listen(runner)).close()
    with socket.create_connection(kept.getsockname(), timeout=5) as client:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):  # neither refused nor closed
            client.recv(1)
        accepted, _ = kept.accept()
        accepted.close()
    kept.close()


async def test_tls(runner: web.AppRunner, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    both = str(tmp_path / "both.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with capture_logs() as log, closing(await listen(configure(runner, tls_cert=both, tls_key=both))) as listeners:
        where = f"127.0.0.1:{listeners.sockets[0].getsockname()[1]}"
        assert [entry["url"] for entry in log] == [f"wss://{where}/ws/simple-voice-chat"]
        assert await answer(f"https://{where}/", TCPConnector(ssl=trusting)) == "hello"
        with pytest.raises(ClientConnectionError):
            await answer(f"http://{where}/", TCPConnector())
        await runner.app[LIVE].replace(runner.app[LIVE].config)


async def test_a_client_that_does_not_finish_its_request_is_cut_off(runner: web.AppRunner) -> None:
    short = web.AppRunner(runner.app, keepalive_timeout=0.05)
    await short.setup()
    with closing(await listen(configure(short))) as listeners:
        reader, writer = await asyncio.open_connection(*listeners.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
        assert await reader.read() == b""
        writer.close()
    await short.cleanup()
