"""What ``simplevoice serve`` runs, with engines that cost nothing: ``python -m tests.benchmarks.free_daemon asyncio``.

It takes its settings from the environment, as the real one does.
"""

from typing import Any

from aiohttp import web

from simplevoice import logs
from simplevoice.config import Config
from simplevoice.config.sources import load
from simplevoice.engines.lent import Ears
from simplevoice.server.app import create_app
from simplevoice.server.run import serve
from simplevoice.service import SimpleVoiceService
from tests.benchmarks.loops import run_on_named_loop
from tests.fakes.engines import FakeEngine, FakeModel, FakeSpeaker, FakeTranscriber, FakeVoiceActivity

REPLY_PCM = bytes(30_000)
"""0.6 s at 24 kHz: 40 KB in base64."""


class _Free(FakeEngine):
    """Keeps nothing of what it was given."""

    received: list[Any]

    async def work(self) -> None:
        self.received.clear()


class _FreeTranscriber(_Free, FakeTranscriber):
    pass


class _FreeModel(_Free, FakeModel):
    pass


class _FreeSpeaker(_Free, FakeSpeaker):
    pass


def make_app(config: Config) -> web.Application:
    """Make the application."""
    service = SimpleVoiceService(
        config.limits,
        _FreeTranscriber(),
        _FreeModel(["It is noon."]),
        _FreeSpeaker("fake", REPLY_PCM),
        lambda: Ears(FakeVoiceActivity(), None),
    )
    return create_app(config, service)


if __name__ == "__main__":
    settings = load()
    with logs.configure(settings.config.logging):
        run_on_named_loop(serve(make_app(settings.config), settings.read_again))
