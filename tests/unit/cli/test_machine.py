"""Where it was measured, and what the daemon used."""

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from simplevoice.cli.machine import CPU, MEMORY, Machine, Usage, machine_of
from simplevoice.cli.target import Target
from simplevoice.cli.watching import EngineView
from simplevoice.errors import ConnectionFailedError
from tests.fakes.daemon import FakeDaemon


def metrics(*bodies: str) -> web.Application:
    """Make a server that shows one of these after the other."""
    shown = iter(bodies)

    async def show(_request: web.Request) -> web.Response:
        return web.Response(text=next(shown))

    app = web.Application()
    app.router.add_get("/api/metrics", show)
    return app


def process(cpu: float, memory: float) -> str:
    return f"# TYPE {CPU} counter\n{CPU} {cpu}\nother_total 7\n{MEMORY} {memory}\n"


def target(server: BaseTestServer) -> Target:
    return Target(str(server.make_url("/api/ws/simple-voice-chat")).replace("http:", "ws:"))


async def test_use_is_the_difference_of_the_daemons_own_metrics() -> None:
    shown = metrics(process(1, 100 * 2**20), process(3, 150 * 2**20))
    async with TestServer(shown) as server, Usage(target(server)) as usage:
        pass
    assert usage.use is not None
    assert (usage.use.memory_mib, usage.use.grown_mib) == (150, 50)
    assert usage.use.cores > 2, "two seconds of processor within a moment"


@pytest.mark.parametrize("bodies", [("",), (process(1, 1), "")], ids=["before", "after"])
async def test_a_daemon_that_does_not_show_it_has_no_use(bodies: tuple[str, ...]) -> None:
    async with TestServer(metrics(*bodies)) as server, Usage(target(server)) as usage:
        pass
    assert usage.use is None


async def test_metrics_that_a_proxy_keeps_are_none() -> None:
    async with TestServer(web.Application()) as server, Usage(target(server)) as usage:
        pass
    assert usage.use is None


async def test_machine_tells_cores_version_and_engines() -> None:
    with FakeDaemon().running() as daemon:
        machine = await machine_of(Target(daemon.url))
    assert machine.cores > 0
    assert machine.version == "9.9.9"
    assert machine.words[1] == "daemon 9.9.9: stt whisper base cpu; llm llama qwen3-0.6b; tts espeak"
    assert Machine(2, 0.5, "1", {"tts": EngineView(engine="edge")}).words == [
        "this machine: 2 cores, load 0.5",
        "daemon 1: tts edge",
    ]


async def test_no_daemon_is_told(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionFailedError, match="no daemon answers"):
        await machine_of(Target(f"ws://127.0.0.1:{unused_tcp_port}/ws/simple-voice-chat"))
