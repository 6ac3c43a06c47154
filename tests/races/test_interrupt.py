"""The client interrupts: before, between and behind the chunks, twice, too early and too late."""

import asyncio
from typing import get_args

import pytest

from simplevoice.conversation.pipeline import PIECES_AHEAD
from simplevoice.errors import ReplyError, SpeechError
from simplevoice.protocol import (
    AudioChunk,
    ErrorMessage,
    Guidance,
    Interrupt,
    Interrupted,
    Ping,
    Pong,
    ProcessingStarted,
    TextMessage,
    VoiceResponse,
)
from tests.races.engines import SPEAKING_STAGES, STAGES, Manner, Trouble, TroubledEngines
from tests.races.scene import converse, rest, scene
from tests.unit.conversation.test_pipeline import wav


@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_in_every_stage_whatever_the_engine_makes_of_it(stage: str, manner: Manner) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, manner)
    async with scene(fakes) as client:
        await client.say(wav())
        await trouble.reached.wait()
        if stage in SPEAKING_STAGES:
            await client.next(AudioChunk)
        await client.say(Interrupt())
        await client.next(Interrupted)
        await trouble.cancelled.wait()
        await client.say(Ping())
        await client.next(Pong)  # both while a slow or deaf engine is still at it
        trouble.let_go.set()


@pytest.mark.parametrize("manner", ["deaf", "failing"])
async def test_of_a_model_that_writes_on_when_nobody_takes_it_any_more(manner: Manner) -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = [f"Sentence number {n}. " for n in range(40)]
    speaking = fakes.trouble("speaker")
    # By then the queue of pieces is full: none of them leaves while the first one is not spoken.
    trouble = fakes.model.troubles[PIECES_AHEAD + 2] = Trouble(manner)
    async with scene(fakes) as client:
        await client.say(TextMessage(text="tell me a story"))
        await trouble.reached.wait()
        await speaking.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted)
        trouble.let_go.set()
        speaking.let_go.set()
        await client.conversation.finish()
        fakes.model.pieces = ["It is over. "]


@pytest.mark.parametrize("manner", ["deaf", "failing"])
async def test_of_a_speaker_whose_chunks_nobody_takes_any_more(manner: Manner) -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 200
    fakes.trouble("speaker")
    # The second piece is made ahead, until the queue of its chunks is full.
    ahead = fakes.speaker.troubles[65] = Trouble(manner)
    async with scene(fakes) as client:
        await client.say(TextMessage(text="tell me a story"))
        await ahead.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted)
        ahead.let_go.set()
        await client.conversation.finish()
        fakes.speaker.troubles.clear()


async def test_between_two_chunks() -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = ["One two three four five six seven eight nine ten. "]
    fakes.speaker.chunks = 10
    fakes.speaker.troubles[5] = trouble = Trouble()
    async with scene(fakes) as client:
        await client.say(TextMessage(text="count"))
        await trouble.reached.wait()
        await client.next(AudioChunk, 5)
        await client.say(Interrupt(played_ms=250))
        cut = await client.next(Interrupted)
        # Half of what was made by then.
        assert cut.heard_text == "One two three four five"
        assert client.history.exchanges[0].assistant == cut.heard_text


async def test_behind_the_last_chunk_while_it_plays() -> None:
    fakes = TroubledEngines()
    async with scene(fakes) as client:
        answer = await converse(client, "what time is it")
        await client.say(Interrupt(played_ms=200))
        cut = await client.next(Interrupted)
        assert (cut.turn_id, cut.heard_text) == (answer.turn_id, "It is noon.")
        await client.say(Interrupt(turn_id=answer.turn_id, played_ms=0))  # and once more
        await rest()
        assert len(client.all(Interrupted)) == 1


async def test_right_behind_the_message_that_it_interrupts() -> None:
    fakes = TroubledEngines()
    async with scene(fakes) as client:
        await client.say(TextMessage(text="what time is it"))
        await client.say(Interrupt())
        cut = await client.next(Interrupted)
        assert client.all(ProcessingStarted)[0].turn_id == cut.turn_id
        await client.conversation.finish()
        assert fakes.model.received == []
        assert client.history.exchanges == ()


async def test_as_soon_as_it_has_begun() -> None:
    async with scene(TroubledEngines()) as client:
        for steps in range(18):
            await client.say(TextMessage(text=f"question {steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            await client.say(Interrupt())
            await client.next(Interrupted, steps + 1)


async def test_one_after_the_other_for_turns_that_wait() -> None:
    fakes = TroubledEngines()
    first = fakes.trouble("model", "slow")
    async with scene(fakes) as client:
        for text in ("one", "two", "three"):
            await client.say(TextMessage(text=text))
        await first.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted)
        second = fakes.trouble("model")
        await rest()
        assert len(client.all(ProcessingStarted)) == 1  # the next one waits until the engine is free
        first.let_go.set()
        await second.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted, 2)
        assert (await client.next(VoiceResponse)).transcription == "three"


async def test_the_reply_that_plays_is_silenced_with_the_turn_behind_it() -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 50
    async with scene(fakes) as client:
        playing = await converse(client, "tell me a story")
        trouble = fakes.trouble("model")
        await client.say(TextMessage(text="and another one"))
        await trouble.reached.wait()
        await client.say(Interrupt(played_ms=0))
        await client.next(Interrupted, 2)
        cut = client.all(Interrupted)
        assert cut[0].turn_id == playing.turn_id
        assert [c.heard_text for c in cut] == ["", ""]


async def test_what_is_over_and_silent_is_not_interrupted() -> None:
    fakes = TroubledEngines()
    async with scene(fakes) as client:
        fakes.voice_activity.speaks = False
        await client.say(wav())
        unheard = await client.next(Guidance)
        trouble = fakes.trouble("model", error=ReplyError("told to fail"))
        trouble.go.set()
        await client.say(TextMessage(text="what time is it"))
        failed = await client.next(ErrorMessage)
        assert isinstance(failed.turn_id, str)
        for turn_id in (unheard.turn_id, failed.turn_id):
            await client.say(Interrupt(turn_id=turn_id))
        await rest()
        assert client.all(Interrupted) == []
        assert client.history.exchanges == ()


async def test_a_failed_reply_that_still_plays_is_cut() -> None:
    fakes = TroubledEngines()
    fakes.trouble("speaker of the next piece", error=SpeechError("told to fail")).go.set()
    async with scene(fakes) as client:
        await client.say(TextMessage(text="what time is it"))
        await client.next(ErrorMessage)
        assert client.history.exchanges[0].assistant == "It is noon."
        await client.say(Interrupt(played_ms=100))
        cut = await client.next(Interrupted)
        assert client.history.exchanges[0].assistant == cut.heard_text
        assert len(cut.heard_text) < len("It is noon.")
