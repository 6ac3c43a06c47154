"""How the daemon comes to serve. What it does then is in test_run.py, and with signals in the integration tests."""

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest
from aiohttp import web

from simplevoice.config.sources import Settings, load
from simplevoice.errors import ConfigError
from simplevoice.server import app as app_module
from simplevoice.server import run as run_module
from simplevoice.server import start as module
from simplevoice.server.keys import SERVICE
from simplevoice.service import SimpleVoiceService
from tests.fakes.engines import FakeEngines
from tests.unit.test_service import make_service


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeEngines, SimpleVoiceService]:
    fakes = FakeEngines()
    service = make_service(fakes)
    monkeypatch.setattr(module, "create_service", lambda _: service)
    return fakes, service


async def test_the_server_gets_the_engines_that_are_being_loaded(
    made: tuple[FakeEngines, SimpleVoiceService], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes, service = made

    async def serve(app: web.Application, _: Callable[[], Settings]) -> int:
        assert app[SERVICE] is service
        await service.start()
        return 7

    monkeypatch.setattr(run_module, "serve", serve)
    assert await module._serve(load()) == 7
    assert fakes.model.calls[0] == "load"
    await service.close()


async def test_when_there_can_be_no_server_nothing_is_left_of_the_engines(
    made: tuple[FakeEngines, SimpleVoiceService], monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_app(*_: object) -> web.Application:
        raise ConfigError(["traces need the extra otel"])

    monkeypatch.setattr(app_module, "create_app", create_app)
    with pytest.raises(ConfigError, match="otel"):
        await module._serve(load())
    assert made[0].model.calls[-1] == "close"
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_weights_are_read_before_what_they_do_not_need_is_imported() -> None:
    code = """
import sys
from simplevoice.config import Config
from simplevoice.server.start import create_service
create_service(Config())
sys.exit(", ".join({"aiohttp", "av", "onnxruntime", "edge_tts", "faster_whisper"} & {*sys.modules}) or 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
