"""The server under test: what ``simplevoice serve`` runs, with fast fake engines and a window to look inside.

It takes its settings from the environment, as the real one does. Silero listens; the other engines are fakes.
"""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from simplevoice import logs
from simplevoice.config import Config
from simplevoice.config.sources import load
from simplevoice.conversation.conversation import Conversation
from simplevoice.conversation.listening import AudioStream
from simplevoice.conversation.pipeline import Pipeline
from simplevoice.conversation.turn import Turn
from simplevoice.engines.ears import open_ears
from simplevoice.engines.lent import Ears
from simplevoice.registry import Connection
from simplevoice.server.app import create_app
from simplevoice.server.run import serve
from simplevoice.server.socket import ClientSocket
from simplevoice.service import SimpleVoiceService
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.speech.stream import StreamDecoder
from tests.fakes.engines import FakeEngine, FakeModel, FakeSpeaker, FakeTranscriber
from tests.reliability.lag import CollectorWatch, LagWatch, StepWatch

INSIDE = "/inside"
OF_CONVERSATIONS = frozenset(
    {AudioStream, ClientSocket, Connection, Conversation, Pipeline, SpeechEncoder, StreamDecoder, Turn}
)
"""What is made for one client or one turn, and has to go with it."""
STEP_SECONDS = 0.005
"""What every step of an engine takes."""


class Inside(msgspec.Struct, frozen=True):
    """What can't be seen from outside. The worst are since the last look; times in ms."""

    tasks: int
    objects: dict[str, int]
    """What is alive of conversations, by class; looked for on request only, behind a garbage collection."""
    lag: float
    own_lag: float
    """Without the time that the event loop's thread waited for a processor."""
    step: float
    step_name: str
    collection: float


class _Fast(FakeEngine):
    """Takes a little time for every step, and keeps nothing of what it was given."""

    received: list[Any]

    async def work(self) -> None:
        self.received.clear()
        await asyncio.sleep(STEP_SECONDS)
        await super().work()


class _FastTranscriber(_Fast, FakeTranscriber):
    pass


class _FastModel(_Fast, FakeModel):
    pass


class _FastSpeaker(_Fast, FakeSpeaker):
    pass


class Window:
    """Answers who wants to look inside."""

    def __init__(self) -> None:
        self._lag = LagWatch()
        self._steps = StepWatch()
        self._collector = CollectorWatch()

    def put_into(self, app: web.Application) -> None:
        """Watch this process from now on, and serve what is seen."""
        self._steps.install()
        self._collector.install()
        app.router.add_get(INSIDE, self._look)
        app.cleanup_ctx.append(self._watch)

    async def _watch(self, app: web.Application) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._lag.run(), name="lag")
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    async def _look(self, request: web.Request) -> web.Response:
        objects = _of_conversations() if "objects" in request.query else {}
        inside = Inside(
            len(asyncio.all_tasks()), objects, *self._lag.take(), *self._steps.take(), self._collector.take()
        )
        return web.Response(body=msgspec.json.encode(inside), content_type="application/json")


def _of_conversations() -> Counter[str]:
    gc.collect()
    classes = (type(thing) for thing in gc.get_objects())
    # Not issubclass: an ABC remembers every class that it was asked about, and the memory is being measured.
    return Counter(cls.__name__ for cls in classes if not OF_CONVERSATIONS.isdisjoint(cls.__mro__))


def make_app(config: Config) -> web.Application:
    """Make the application."""
    service = SimpleVoiceService(
        config.limits,
        _FastTranscriber(),
        _FastModel(),
        _FastSpeaker(),
        lambda: Ears(open_ears(config).voice_activity, None),
    )
    app = create_app(config, service)
    Window().put_into(app)
    return app


if __name__ == "__main__":
    settings = load()
    with logs.configure(settings.config.logging):
        sys.exit(asyncio.run(serve(make_app(settings.config), settings.read_again)))
