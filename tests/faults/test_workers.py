"""The engines of this process crash or hang in their threads; their native halves are played by the tests."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from simplevoice.config import LlmConfig, ModelsConfig, SttConfig, TtsConfig, VoicesConfig
from simplevoice.errors import ErrorCode
from simplevoice.llm import llama, llama_cpp
from simplevoice.llm.policy import ReplyPolicy
from simplevoice.stt import whisper
from simplevoice.stt.hearing import Hearing
from simplevoice.stt.policy import TranscriptionPolicy
from simplevoice.stt.whisper_model import Window
from simplevoice.tts import espeak
from simplevoice.tts.espeak import EspeakSpeaker
from simplevoice.tts.policy import SpeechPolicy
from tests.faults.daemon import SPOKEN, TYPED, Daemon, World, daemon, world
from tests.leftovers import nothing_left

__all__ = ["nothing_left"]

SECONDS = 0.5


class Native:
    """The native half of an engine: it works, or does what ``fault`` says. ``go_on`` ends what hangs."""

    def __init__(self) -> None:
        self.fault: Exception | str | None = None
        self.go_on = threading.Event()

    def work(self) -> None:
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault == "hangs":
            assert self.go_on.wait(20)

    device, workers, note, on_gpu = "cpu", 1, None, False

    def hear(self, windows: Sequence[Window], abandoned: threading.Event) -> list[Hearing]:
        self.work()
        return [Hearing("What time is it?", 5, -0.2, 0.01, complete=True) for _ in windows]

    def unload(self) -> None:
        return

    def handle_chat_completions(self, request: object, take: Callable[[dict[str, Any]], bool]) -> None:
        self.work()
        take({"choices": [{"delta": {"content": "It is noon."}}]})

    def heal(self) -> None:
        self.fault = None
        self.go_on.set()


class Natives:
    """Gives each load a native half of its own. Only the first one does what ``fault`` says."""

    def __init__(self, fault: Exception | str) -> None:
        self.made: list[Native] = []
        self._fault = fault

    def make(self, *_: object) -> Native:
        native = Native()
        self.made.append(native)
        return native

    def break_first(self) -> None:
        self.made[0].fault = self._fault


@pytest.fixture
async def servers() -> AsyncIterator[World]:
    async with world() as servers:
        yield servers


async def replaced(house: Daemon, role: str) -> None:
    """Wait until the engine works again."""
    async with asyncio.timeout(20):
        while (await house.health(role))["breaker"] != "closed":
            await asyncio.sleep(0)


CRASHES = [RuntimeError("CUDA error"), ValueError("no such token"), "hangs"]


@pytest.mark.parametrize("fault", CRASHES, ids=str)
async def test_whisper_fails_in_its_thread(
    servers: World, monkeypatch: pytest.MonkeyPatch, fault: Exception | str
) -> None:
    native = Native()

    monkeypatch.setattr(whisper, "load", lambda *_: native)
    engine = whisper.WhisperTranscriber(SttConfig(timeout_seconds=SECONDS), ModelsConfig())
    policy = TranscriptionPolicy([engine], 3, 30)
    async with daemon(servers.config(), transcriber=policy) as house, house.line("ar") as line:
        native.fault = fault
        await line.fails(SPOKEN, ErrorCode.TRANSCRIPTION_FAILED)
        native.heal()
        await line.answers(SPOKEN)
        assert (await house.health("stt"))["state"] == "ready"


@pytest.mark.parametrize("fault", [*CRASHES, KeyError("not expected by anybody")], ids=str)
async def test_llama_fails_in_its_thread(
    servers: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception | str
) -> None:
    native = Native()
    monkeypatch.setattr(llama_cpp, "serve", lambda *_: native)
    weights = tmp_path / "model.gguf"
    weights.touch()
    config = LlmConfig(engine="llama", model=str(weights), gpu="off", slots=1, timeout_seconds=SECONDS)
    policy = ReplyPolicy([llama.LlamaModel(config, ModelsConfig())], 3, 30)
    async with daemon(servers.config(), model=policy) as house, house.line("ar") as line:
        native.fault = fault
        await line.fails(TYPED, ErrorCode.REPLY_FAILED)
        native.heal()
        assert (await line.answers(TYPED)).response_text == "It is noon."


@pytest.mark.parametrize("fault", CRASHES, ids=str)
async def test_a_whisper_that_works_no_more_or_hangs_is_replaced(
    servers: World, monkeypatch: pytest.MonkeyPatch, fault: Exception | str
) -> None:
    natives = Natives(fault)
    monkeypatch.setattr(whisper, "load", natives.make)
    monkeypatch.setattr(whisper, "CLOSE_SECONDS", SECONDS)
    engine = whisper.WhisperTranscriber(SttConfig(timeout_seconds=SECONDS), ModelsConfig())
    policy = TranscriptionPolicy([engine], 1, 0.01)
    async with daemon(servers.config(), transcriber=policy) as house, house.line("ar") as line:
        await line.answers(SPOKEN)
        natives.break_first()
        await line.fails(SPOKEN, ErrorCode.TRANSCRIPTION_FAILED)
        await replaced(house, "stt")
        await line.answers(SPOKEN)
    natives.made[0].heal()
    assert len(natives.made) == 2


@pytest.mark.parametrize("fault", CRASHES, ids=str)
async def test_a_llama_that_works_no_more_or_hangs_is_replaced(
    servers: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception | str
) -> None:
    natives = Natives(fault)
    monkeypatch.setattr(llama_cpp, "serve", natives.make)
    monkeypatch.setattr(llama_cpp, "CLOSE_SECONDS", SECONDS)
    weights = tmp_path / "model.gguf"
    weights.touch()
    config = LlmConfig(engine="llama", model=str(weights), gpu="off", slots=1, timeout_seconds=SECONDS)
    policy = ReplyPolicy([llama.LlamaModel(config, ModelsConfig())], 3, 3600)
    async with daemon(servers.config(), model=policy) as house, house.line("ar") as line:
        await line.answers(TYPED)
        natives.break_first()
        await line.fails(TYPED, ErrorCode.REPLY_FAILED)
        await replaced(house, "llm")
        await line.answers(TYPED)
    natives.made[0].heal()
    assert len(natives.made) == 2


async def test_espeak_hangs_in_its_thread(servers: World, monkeypatch: pytest.MonkeyPatch) -> None:
    native = Native()
    speak = espeak._Library.speak

    def hang_first(library: espeak._Library, *rest: Any) -> None:
        native.work()
        speak(library, *rest)

    monkeypatch.setattr(espeak._Library, "speak", hang_first)
    settings = TtsConfig(engine="espeak")
    speaker = SpeechPolicy(settings, None, [EspeakSpeaker(settings, VoicesConfig(), ModelsConfig())])
    config = servers.config(turn_timeout_seconds=2 * SECONDS)
    async with daemon(config, speaker=speaker) as house, house.line("ar") as line:
        native.fault = "hangs"
        await line.fails(TYPED, ErrorCode.TURN_TIMEOUT)
        native.heal()
        await line.answers(TYPED)
