"""Engines under the tests' control: they answer as scripted, wait where told, and record what they received."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from pydub import AudioSegment

from simplevoice.engines.engine import Engine, EngineHealth, EngineState
from simplevoice.engines.lent import Ears, Engines
from simplevoice.errors import SpeechError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk
from simplevoice.speech.vad import SpeechSpan, VoiceActivityModel, VoiceActivityStream
from simplevoice.stt import Transcriber, Transcript
from simplevoice.tts import Speaker, SpeechChunk, Voice
from simplevoice.types import LANGUAGES, Language


class Gate:
    """A point where an engine stands until it is opened; ``reached`` tells that it stands there."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.opened.set()

    def shut(self) -> None:
        self.reached.clear()
        self.opened.clear()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


class FakeEngine(Engine):
    def __init__(self) -> None:
        self.state: EngineState = "stopped"
        self.calls: list[str] = []
        self.gate = Gate()
        self.error: Exception | None = None
        self.running = 0

    async def load(self) -> None:
        self.calls.append("load")
        if self.error:
            self.state = "failed"
            raise self.error
        self.state = "ready"

    async def warm_up(self) -> None:
        self.calls.append("warm_up")

    async def release(self) -> None:
        self.calls.append("release")

    async def close(self) -> None:
        self.calls.append("close")
        self.state = "stopped"

    def health(self) -> EngineHealth:
        return EngineHealth(engine="fake", state=self.state)

    async def work(self) -> None:
        """Stand at the gate, then do what is scripted; ``running`` counts who is inside."""
        self.running += 1
        try:
            await self.gate.pass_through()
            if self.error:
                raise self.error
        finally:
            self.running -= 1


class FakeTranscriber(FakeEngine, Transcriber):
    name = "fake"

    def __init__(self, text: str = "what time is it") -> None:
        super().__init__()
        self.transcript = Transcript(text, "en", no_speech_probability=0.01, average_log_probability=-0.2)
        self.received: list[AudioSegment] = []

    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        self.received.append(audio)
        await self.work()
        return Transcript(
            self.transcript.text,
            language,
            self.transcript.no_speech_probability,
            self.transcript.average_log_probability,
        )


class FakeModel(FakeEngine, LanguageModel):
    name = "fake"
    languages = frozenset(LANGUAGES)

    def __init__(self, pieces: Sequence[str] = ("It is noon. ", "Time to eat. ")) -> None:
        super().__init__()
        self.pieces = list(pieces)
        self.received: list[list[ChatMessage]] = []

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        self.received.append(list(messages))
        for piece in self.pieces:
            await self.work()
            yield TextChunk(piece, self.name)
        await asyncio.sleep(0)


Step = bytes | Exception | asyncio.Event
"""Give this audio, fail so, or wait for this."""


class FakeSpeaker(FakeEngine, Speaker):
    """Takes its steps for every text; without any it speaks ``chunks`` times 100 ms of a quiet tone."""

    def __init__(
        self,
        name: str = "fake",
        *steps: Step,
        codec: Literal["mp3", "pcm16"] = "pcm16",
        languages: Sequence[Language] = LANGUAGES,
    ) -> None:
        super().__init__()
        self.name = name
        self.steps: Sequence[Step] = steps
        self.codec = codec
        self.languages = languages
        self.chunks = 2
        self.chunk = b"\x10\x00\xf0\xff" * 1200
        self.received: list[tuple[str, Voice]] = []
        self.asked = asyncio.Event()
        self.fails_on: str | None = None
        self.expected = 0
        """How often it was told that there will be a text."""

    def expect(self) -> None:
        self.expected += 1

    def supports(self, voice: Voice) -> bool:
        return self.state == "ready" and voice.language in self.languages

    def health(self) -> EngineHealth:
        return EngineHealth(engine=self.name, state=self.state, active=self.name, breaker="closed")

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        self.received.append((text, voice))
        self.asked.set()
        if text == self.fails_on:
            raise SpeechError("told to fail")
        self.running += 1
        try:
            for step in self.steps or [self.chunk] * self.chunks:
                match step:
                    case bytes():
                        await self.work()
                        yield SpeechChunk(step, self.codec, 24_000, self.name)
                    case asyncio.Event():
                        await step.wait()
                    case _:
                        raise step
        finally:
            self.running -= 1


class FakeVoiceActivity(VoiceActivityModel):
    """Hears speech throughout, or never."""

    def __init__(self, speaks: bool = True) -> None:
        self.speaks = speaks

    def speech_spans(
        self, audio: AudioSegment, *, threshold: float = 0.5, min_speech_ms: int = 96, min_silence_ms: int = 160
    ) -> list[SpeechSpan]:
        return [SpeechSpan(0, len(audio))] if self.speaks else []

    def stream(self) -> VoiceActivityStream:
        raise AssertionError("streams are heard by the real model")


class FakeEngines:
    """All of them, together."""

    def __init__(self) -> None:
        self.transcriber = FakeTranscriber()
        self.model = FakeModel()
        self.speaker = FakeSpeaker()
        self.voice_activity = FakeVoiceActivity()
        self.instructions: str | None = None
        self.ears: Ears | None = None
        """The real small models, where a test listens to a stream."""

    @property
    def engines(self) -> Engines:
        ears = self.ears or Ears(self.voice_activity, None)
        return Engines(self.transcriber, self.model, self.speaker, *ears, self.instructions)

    @contextmanager
    def lend(self) -> Iterator[Engines]:
        yield self.engines

    @property
    def running(self) -> int:
        """How many calls are in progress."""
        return self.transcriber.running + self.model.running + self.speaker.running
