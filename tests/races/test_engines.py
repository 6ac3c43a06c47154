"""Engines that raise, hang, end early, or don't stop when they are told to."""

import asyncio
from typing import get_args

import pytest

from simplevoice.config import Config
from simplevoice.conversation import turn
from simplevoice.errors import EngineError, ErrorCode, ReplyError, SpeechError, TranscriptionError
from simplevoice.protocol import (
    AudioChunk,
    ErrorMessage,
    Guidance,
    Interrupt,
    Interrupted,
    Ping,
    Pong,
    TextMessage,
    VoiceResponse,
)
from simplevoice.stt import Transcript
from tests.fakes.client import FakeClient, with_changes
from tests.races.engines import STAGES, Manner, TroubledEngines
from tests.races.scene import converse, rest, scene
from tests.unit.conversation.test_pipeline import wav

HASTY = with_changes(Config(), "limits", turn_timeout_seconds=0.2, next_sound_seconds=0.2)
ERRORS: dict[str, type[EngineError]] = {
    "transcriber": TranscriptionError,
    "model": ReplyError,
    "speaker": SpeechError,
}


async def the_only_error(client: FakeClient) -> ErrorMessage:
    await client.next(ErrorMessage)
    await client.conversation.finish()
    await rest()
    (told,) = client.all(ErrorMessage)
    return told


@pytest.mark.parametrize("response_mode", ["complete", "stream"])
@pytest.mark.parametrize("stage", STAGES)
async def test_raises(stage: str, response_mode: str) -> None:
    fakes = TroubledEngines()
    error = ERRORS[stage.split()[0]]
    fakes.trouble(stage, error=error("told to fail")).go.set()
    async with scene(fakes, response_mode=response_mode) as client:
        await client.say(wav())
        assert (await the_only_error(client)).error_code is error.default_code


@pytest.mark.parametrize("stage", STAGES)
async def test_has_a_bug(stage: str) -> None:
    fakes = TroubledEngines()
    fakes.trouble(stage, error=ZeroDivisionError()).go.set()
    async with scene(fakes) as client:
        await client.say(wav())
        assert (await the_only_error(client)).error_code is ErrorCode.INTERNAL_ERROR


@pytest.mark.parametrize("stage", STAGES)
async def test_cancels_itself(stage: str) -> None:
    fakes = TroubledEngines()
    fakes.trouble(stage, error=asyncio.CancelledError()).go.set()
    async with scene(fakes, HASTY) as client:
        await client.say(wav())
        told = await the_only_error(client)
        assert told.error_code in (ErrorCode.INTERNAL_ERROR, ErrorCode.TURN_TIMEOUT)


@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_hangs(stage: str, manner: Manner) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, manner)
    async with scene(fakes, HASTY) as client:
        await client.say(wav())
        told = await client.next(ErrorMessage)  # also where the engine doesn't let go
        assert told.error_code is ErrorCode.TURN_TIMEOUT
        trouble.let_go.set()
        await the_only_error(client)


async def test_hears_nothing() -> None:
    fakes = TroubledEngines()
    fakes.transcriber.transcript = Transcript("", "en")
    async with scene(fakes) as client:
        await client.say(wav())
        await client.next(Guidance)


async def test_writes_nothing() -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = []
    async with scene(fakes) as client:
        await client.say(wav())
        assert (await the_only_error(client)).error_code is ErrorCode.REPLY_FAILED
        fakes.model.pieces = ["It is noon."]


async def test_writes_half_a_sentence() -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = ["It is "]
    async with scene(fakes) as client:
        assert (await converse(client, "what time is it")).response_text == "It is"


async def test_speaks_nothing() -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 0
    async with scene(fakes) as client:
        await client.say(wav())
        assert (await the_only_error(client)).error_code is ErrorCode.SPEECH_FAILED
        assert client.all(AudioChunk) == []
        fakes.speaker.chunks = 2


async def test_speaks_one_piece_of_two() -> None:
    fakes = TroubledEngines()
    fakes.speaker.silent_on = "It is noon."
    async with scene(fakes) as client:
        answer = await converse(client, "what time is it")
        assert answer.response_text == "It is noon. Time to eat."
        assert answer.duration_ms == 200


@pytest.mark.parametrize("stage", STAGES)
async def test_never_stops(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "STOP_SECONDS", 0.05)
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, "slow")
    async with scene(fakes) as client:
        await client.say(wav())
        await trouble.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted)
        await client.say(Ping())
        await client.next(Pong)
        await client.say(TextMessage(text="and without it"))
        await client.next(VoiceResponse)
        assert trouble.cancelled.is_set()
        trouble.let_go.set()
