"""A speaker that does what a test says, step by step."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from simplevoice.engine import EngineHealth, EngineState
from simplevoice.tts import Speaker, SpeechChunk, Voice

Step = bytes | Exception | asyncio.Event
"""Give this audio, fail so, or wait for this."""


class ScriptedSpeaker(Speaker):
    """Takes the same steps for every text. ``open`` counts the syntheses that have begun and not ended."""

    def __init__(
        self, name: str, *steps: Step, codec: Literal["mp3", "pcm16"] = "pcm16", languages: Sequence[str] = ("ar", "en")
    ) -> None:
        self.name = name
        self.steps: Sequence[Step] = steps
        self.codec = codec
        self.languages = languages
        self.received: list[tuple[str, Voice]] = []
        self.asked = asyncio.Event()
        self.open = 0
        self.calls: list[str] = []
        self.missing: Exception | None = None
        self.state: EngineState = "stopped"

    async def load(self) -> None:
        self.calls.append("load")
        if self.missing:
            raise self.missing
        self.state = "ready"

    async def warm_up(self) -> None:
        self.calls.append("warm_up")

    async def release(self) -> None:
        self.calls.append("release")

    async def close(self) -> None:
        self.calls.append("close")
        self.state = "stopped"

    def health(self) -> EngineHealth:
        return EngineHealth(engine=self.name, state=self.state)

    def supports(self, voice: Voice) -> bool:
        return self.state == "ready" and voice.language in self.languages

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        self.received.append((text, voice))
        self.asked.set()
        self.open += 1
        try:
            for step in self.steps:
                match step:
                    case bytes():
                        yield SpeechChunk(step, self.codec, 24_000, self.name)
                    case asyncio.Event():
                        await step.wait()
                    case _:
                        raise step
        finally:
            self.open -= 1
