"""Engines that get into trouble at a chosen step, and ears that hear exactly what a test plays to them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Literal

from simplevoice.errors import EngineError
from simplevoice.llm import ChatMessage, TextChunk
from simplevoice.speech.vad import Piece, VoiceActivityStream
from simplevoice.tts import SpeechChunk, Voice
from simplevoice.types import Language
from tests.fakes.engines import FakeEngine, FakeEngines, FakeModel, FakeSpeaker, FakeTranscriber, FakeVoiceActivity

Manner = Literal["prompt", "slow", "deaf", "failing", "crashing"]
"""How an engine takes its cancellation: at once; when its clean-up is through; by going on with its work when that
is through; with an error of its kind; with a bug."""

_STEPS = {
    "transcriber": ("transcriber", 0),
    "model": ("model", 0),
    "model later": ("model", 1),
    "speaker": ("speaker", 0),
    "speaker later": ("speaker", 1),
    "speaker of the next piece": ("speaker", 2),
}
STAGES = tuple(_STEPS)
SPEAKING_STAGES = STAGES[-2:]
"""Where sound of the reply has left already."""


class Trouble:
    """A step that hangs until ``go``, then fails if it shall; cancelled, it takes ``manner``, until ``let_go``."""

    def __init__(self, manner: Manner = "prompt", error: BaseException | None = None) -> None:
        self.manner = manner
        self.error = error
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.let_go = asyncio.Event()

    async def meet(self) -> None:
        self.reached.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            await self._take_cancellation()
        if self.error:
            raise self.error

    async def _take_cancellation(self) -> None:
        if self.manner in ("slow", "deaf"):
            await self.let_go.wait()
        match self.manner:
            case "failing":
                raise EngineError("told to fail in its clean-up")
            case "crashing":
                raise ZeroDivisionError
            case "prompt" | "slow":
                raise asyncio.CancelledError


class _Troubled(FakeEngine):
    """Counts its steps over all calls, and meets each trouble once."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0
        self.troubles: dict[int, Trouble] = {}

    async def work(self) -> None:
        trouble = self.troubles.pop(self.step, None)
        self.step += 1
        self.running += 1
        try:
            if trouble is not None:
                await trouble.meet()
        finally:
            self.running -= 1
        await super().work()


class TroubledTranscriber(_Troubled, FakeTranscriber):
    pass


class TroubledModel(_Troubled, FakeModel):
    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        self.received.append(list(messages))
        for piece in list(self.pieces):
            await self.work()
            yield TextChunk(piece, self.name)


class TroubledSpeaker(_Troubled, FakeSpeaker):
    silent_on = ""

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        self.received.append((text, voice))
        for _ in range(0 if text == self.silent_on else self.chunks):
            await self.work()
            yield SpeechChunk(self.chunk, "pcm16", 24_000, self.name)


class TroubledEngines(FakeEngines):
    """All of them, with ears that hear speech where the samples are loud."""

    def __init__(self) -> None:
        super().__init__()
        self.transcriber: TroubledTranscriber = TroubledTranscriber()
        self.model: TroubledModel = TroubledModel()
        self.speaker: TroubledSpeaker = TroubledSpeaker()
        self.voice_activity = LoudnessModel()

    def trouble(self, stage: str, manner: Manner = "prompt", error: BaseException | None = None) -> Trouble:
        """Prepare trouble for the next turn, at a step that STAGES names."""
        name, step = _STEPS[stage]
        engine: _Troubled = getattr(self, name)
        engine.troubles[engine.step + step] = trouble = Trouble(manner, error)
        return trouble


class LoudnessModel(FakeVoiceActivity):
    """A frame with a loud sample in it is speech."""

    def stream(self) -> VoiceActivityStream:
        return VoiceActivityStream(self)

    async def hear_soon(self, piece: Piece) -> list[float]:
        return self.hear([piece])[0]

    def hear(self, pieces: Sequence[Piece]) -> list[list[float]]:
        return [[float(frame.max() > 500) for frame in piece.frames] for piece in pieces]


def speech(ms: int) -> bytes:
    """Speech to a LoudnessModel: 16 kHz mono s16le."""
    return b"\xe8\x03" * (16 * ms)


def silence(ms: int) -> bytes:
    return bytes(32 * ms)
