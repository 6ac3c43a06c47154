"""The screen of ``status``, without its options."""

import asyncio

import msgspec
import pytest
from rich.console import Console

from simplevoice.cli.target import Target
from simplevoice.cli.watching import StatusView, draw, read_status, show, watch_until_interrupted
from simplevoice.errors import ConnectionFailedError
from tests.fakes.daemon import PATH, STATUS, FakeDaemon


def drawn(status: StatusView) -> str:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(draw(status, "http://here"))
    return capture.get()


def test_an_engine_that_steps_in_is_named_with_the_reason() -> None:
    text = drawn(msgspec.convert(STATUS, StatusView))
    assert "edge, now espeak" in text
    assert "breaker open; no network" in text


def test_what_a_newer_daemon_adds_is_passed_over() -> None:
    status = msgspec.convert(STATUS | {"moon": "full"}, StatusView)
    assert "moon" not in drawn(status)


async def test_reads_and_shows_what_a_daemon_says(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon().running() as daemon:
        status = await read_status(Target(daemon.url))
        assert status.connections[0].connection_id == "kitchen"
        assert await show(Target(daemon.url), raw=False) == 0
    assert "kitchen" in capsys.readouterr().out


async def test_a_daemon_that_is_away_is_told(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionFailedError, match="no daemon answers"):
        await show(Target(f"ws://127.0.0.1:{unused_tcp_port}{PATH}"), raw=True)


async def test_watching_goes_on_until_it_is_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon().running() as daemon:
        watching = asyncio.create_task(watch_until_interrupted(Target(daemon.url), 0.01, raw=True))
        lines = ""
        while lines.count("\n") < 2:
            await asyncio.sleep(0.01)
            lines += capsys.readouterr().out
        watching.cancel()
        await asyncio.wait([watching])
    assert watching.cancelled()
