"""Messages that come at the wrong moment: during a turn, twice, or far too many."""

import asyncio

import pytest

from simplevoice.errors import ErrorCode
from simplevoice.protocol import (
    AudioChunk,
    AudioEnd,
    ErrorMessage,
    Interrupted,
    Ping,
    Pong,
    ProcessingStarted,
    ResetConversation,
    SessionUpdate,
    TextMessage,
    VoiceResponse,
)
from tests.races.engines import SPEAKING_STAGES, STAGES, TroubledEngines, speech
from tests.races.scene import PCM, converse, rest, scene
from tests.unit.conversation.test_pipeline import wav


@pytest.mark.parametrize("stage", STAGES)
async def test_an_update_leaves_the_turn_in_progress_alone(stage: str) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage)
    async with scene(fakes) as client:
        await client.say(wav())
        await trouble.reached.wait()
        await client.say(SessionUpdate(language="ar", voice_type="male", rate="+10%"))
        trouble.go.set()
        answer = await client.next(VoiceResponse)
        assert (answer.language, answer.voice_type) == ("en", "female")
        assert {voice.language for _, voice in fakes.speaker.received} == {"en"}
        answer = await converse(client)
        assert (answer.language, answer.voice_type) == ("ar", "male")
        await client.say(SessionUpdate(language="en"))
        await client.say(ResetConversation())
        client.received.clear()


@pytest.mark.parametrize("stage", STAGES)
async def test_what_was_said_before_a_reset_is_forgotten_also_when_its_answer_comes_later(stage: str) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage)
    async with scene(fakes, response_mode="complete") as client:
        await client.say(wav())
        await client.say(TextMessage(text="my name is Omar"))
        await trouble.reached.wait()
        await client.say(ResetConversation())
        trouble.go.set()
        await client.next(VoiceResponse, 2)
        assert not client.history.exchanges
        await converse(client, "what is my name")
        assert [exchange.user for exchange in client.history.exchanges] == ["what is my name"]


@pytest.mark.parametrize("stage", STAGES)
async def test_a_ping_is_answered_in_every_stage(stage: str) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage)
    async with scene(fakes) as client:
        await client.say(wav())
        await trouble.reached.wait()
        if stage in SPEAKING_STAGES:
            await client.next(AudioChunk)
        await client.say(Ping())
        await client.next(Pong)
        assert client.all(VoiceResponse) == []
        trouble.go.set()
        await client.next(VoiceResponse)


async def test_push_to_talk_during_a_turn_waits_and_ends_only_once() -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble("model")
    async with scene(fakes) as client:
        await client.say(TextMessage(text="what time is it"))
        await trouble.reached.wait()
        await client.say(PCM)
        await client.say(speech(1000))
        await client.say(AudioEnd())
        await client.say(AudioEnd())
        assert (await client.next(ErrorMessage)).error_code is ErrorCode.INVALID_MESSAGE
        fakes.transcriber.transcript = fakes.transcriber.transcript.__class__("and tomorrow", "en")
        trouble.go.set()
        await client.next(VoiceResponse, 2)
        assert len(fakes.transcriber.received) == 1


async def test_a_stream_that_begins_anew_drops_what_was_held_to_talk() -> None:
    fakes = TroubledEngines()
    async with scene(fakes) as client:
        await client.say(PCM)
        await client.say(speech(1000))
        await client.say(PCM)
        await client.say(speech(500))
        await client.say(AudioEnd())
        await client.next(VoiceResponse)
        assert len(fakes.transcriber.received[0]) == 500


async def test_a_flood_during_a_turn_is_refused_one_by_one_and_the_turn_goes_on() -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble("model")
    async with scene(fakes) as client:
        for n in range(200):
            await client.say(TextMessage(text=f"question {n}"))
        await trouble.reached.wait()
        await client.next(ErrorMessage, 197)
        assert {told.error_code for told in client.all(ErrorMessage)} == {ErrorCode.SERVER_BUSY}
        trouble.go.set()
        await client.next(VoiceResponse, 3)
        assert len(client.all(ProcessingStarted)) == 3


@pytest.mark.parametrize("stage", STAGES)
async def test_nothing_is_taken_once_the_conversation_was_stopped(stage: str) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, "slow")
    async with scene(fakes, again=False) as client:
        await client.say(wav())
        await trouble.reached.wait()
        if stage in SPEAKING_STAGES:
            await client.next(AudioChunk)
        ending = asyncio.create_task(client.connection.end(1008, "replaced"))
        assert (await client.next(Interrupted)).reason == "replaced"
        await client.say(TextMessage(text="am I still here"))  # it was read before the socket closed
        await client.say(PCM)
        trouble.let_go.set()
        await ending
        await client.say(TextMessage(text="am I still here"))
        await rest()
        assert len(client.all(ProcessingStarted)) == 1
