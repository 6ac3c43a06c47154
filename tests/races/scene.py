"""A client among troubled engines, held to the law at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from simplevoice.config import Config
from simplevoice.protocol import AudioStart, TextMessage, VoiceResponse
from tests.fakes.client import FakeClient, connected
from tests.races.engines import TroubledEngines
from tests.races.law import assert_lawful, assert_remembered

PCM = AudioStart(format="pcm16", sample_rate=16_000)


@asynccontextmanager
async def scene(
    fakes: TroubledEngines, config: Config | None = None, *, again: bool = True, **settings: Any
) -> AsyncIterator[FakeClient]:
    """A client that gets streamed replies, and that converses once more when the race is over."""
    settings = {"response_mode": "stream", "audio_format": "pcm16", **settings}
    async with connected(fakes, config, **settings) as client:
        yield client
        if again:
            await converse(client)
    assert_lawful(client.received, closed=not again)
    if settings["response_mode"] == "stream":
        assert_remembered(client.received, client.history.exchanges)


async def converse(client: FakeClient, text: str = "and now") -> VoiceResponse:
    """Ask, and wait for the whole answer."""
    answered = len(client.all(VoiceResponse))
    await client.say(TextMessage(text=text))
    return await client.next(VoiceResponse, answered + 1)


async def play(client: FakeClient, *sounds: bytes) -> None:
    """Send sound as pieces of 10 ms, and let what each sets off come to rest."""
    for sound in sounds:
        for start in range(0, len(sound), 320):
            await client.say(sound[start : start + 320])
            await rest()


async def until_true(condition: Callable[[], object]) -> None:
    """Let the loop run until something holds that nobody tells; at most 5 s."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def rest() -> None:
    """Let everything run that can; no thread is waited for."""
    for _ in range(20):
        await asyncio.sleep(0)


class Clock:
    """The time in which replies are played."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now
