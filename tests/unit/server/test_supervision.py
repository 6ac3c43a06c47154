import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from simplevoice.engines.engine import EngineHealth
from simplevoice.server import supervision as supervision_module
from simplevoice.server.keys import SERVICE
from simplevoice.server.supervision import Supervision, describe, supervised
from tests.fakes.engines import FakeEngines
from tests.unit.server.conftest import Start


async def test_the_status_tells_connections_and_engines(daemon: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await daemon()
    assert describe(service.app) == "running: 0 connections; stt fake ready, llm fake ready, tts fake ready"
    spoken_locally = EngineHealth(engine="edge", state="degraded", active="espeak", breaker="open")
    monkeypatch.setattr(service.fakes.speaker, "health", lambda: spoken_locally)
    monkeypatch.setattr(service.fakes.model, "health", lambda: EngineHealth("llama", "failed"))
    line = await service.connect()
    await line.next()
    expected = "running: 1 connection; stt fake ready, llm llama failed, tts edge → espeak degraded"
    assert describe(service.app) == expected


async def test_only_changes_are_told(daemon: Start) -> None:
    service = await daemon()
    supervision = Supervision(service.app)
    [told] = supervision.news(watched=False)
    assert told.startswith("STATUS=running: 0 connections;")
    assert supervision.news(watched=False) == []
    line = await service.connect()
    await line.next()
    assert supervision.news(watched=False)[0].startswith("STATUS=running: 1 connection;")


async def test_the_start_may_take_longer_while_weights_come_in(daemon: Start) -> None:
    service = await daemon(loaded=False)
    supervision = Supervision(service.app)
    supervision.news(watched=False)
    fetching = service.app[SERVICE].fetching
    fetching.model, fetching.done, fetching.total = "whisper-base", 45_000_000, 145_000_000
    assert supervision.news(watched=False) == [
        "EXTEND_TIMEOUT_USEC=60000000",
        "STATUS=starting: fetching whisper-base, 45 of 145 MB",
    ]
    assert supervision.news(watched=False) == [], "a fetch that stands still gets no more time"


class StuckEngines(FakeEngines):
    """A recognizer whose one thread never comes back, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.pool = ThreadPoolExecutor(1)
        self.pool.submit(self.let_go.wait)


async def test_no_sign_of_life_from_an_engine_whose_threads_are_stuck(
    daemon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = StuckEngines()
    monkeypatch.setattr(type(fakes.transcriber), "workers", property(lambda _: (fakes.pool,)))
    service = await daemon(fakes, limits_turn_timeout_seconds=0.01)
    monkeypatch.setattr(supervision_module, "BEYOND_A_TURN_SECONDS", 0.0)
    supervision = Supervision(service.app)
    assert "WATCHDOG=1" in supervision.news(watched=True)
    with structlog.testing.capture_logs() as logged:
        while "WATCHDOG=1" in supervision.news(watched=True):
            await asyncio.sleep(0)
        supervision.news(watched=True)
    assert [entry["event"] for entry in logged if entry["log_level"] == "critical"] == ["workers_stalled"]
    fakes.let_go.set()
    while "WATCHDOG=1" not in supervision.news(watched=True):
        await asyncio.sleep(0)
    fakes.pool.shutdown()


async def test_signs_of_life_come_in_time(daemon: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await daemon()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "20000")
        async with supervised(service.app):
            told = [(await asyncio.to_thread(systemd.recv, 1000)).decode() for _ in range(4)]
    assert all(state.startswith("WATCHDOG=1") for state in told)


async def test_nothing_runs_where_systemd_does_not_listen(daemon: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await daemon()
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    before = asyncio.all_tasks()
    async with supervised(service.app):
        assert asyncio.all_tasks() == before
