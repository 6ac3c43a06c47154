"""Turns that wait for a place in the daemon, and what can happen to them there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest

from simplevoice.config import Config
from simplevoice.errors import ErrorCode
from simplevoice.protocol import (
    ErrorMessage,
    Interrupt,
    Interrupted,
    Ping,
    Pong,
    ProcessingStarted,
    TextMessage,
    TurnProcessingStarted,
    VoiceResponse,
)
from simplevoice.stt import Transcript
from simplevoice.turnstile import Turnstile
from tests.fakes.client import FakeClient, with_changes
from tests.races.engines import STAGES, Manner, TroubledEngines, silence, speech
from tests.races.scene import PCM, converse, play, rest, scene, until_true
from tests.races.test_speech import CONFIRMED, PLAIN, STARTS, TENTATIVE, UTTERANCE, VAD, speak
from tests.unit.conversation.test_pipeline import wav

HASTY = with_changes(Config(), "limits", turn_timeout_seconds=0.2, next_sound_seconds=0.2)


class FullHouse:
    """A client, and its engines, when others hold the only place until there is ``make_room``."""

    def __init__(self, wait_seconds: float) -> None:
        self.fakes = TroubledEngines()
        self.turnstile = Turnstile(1, wait_seconds)
        self.client: FakeClient
        self._other = self.turnstile.ask()

    def make_room(self) -> None:
        self._other.leave()

    def fill(self) -> None:
        self._other = self.turnstile.ask()


@asynccontextmanager
async def full_house(
    config: Config | None = None, *, wait_seconds: float = 60.0, again: bool = True, **settings: Any
) -> AsyncIterator[FullHouse]:
    house = FullHouse(wait_seconds)
    async with scene(house.fakes, config, again=again, turnstile=house.turnstile, **settings) as client:
        house.client = client
        yield house
    assert house.turnstile.in_progress == 0


async def waits(client: FakeClient, text: str = "what time is it") -> None:
    begun = len(client.all(ProcessingStarted))
    await client.say(TextMessage(text=text))
    await client.next(ProcessingStarted, begun + 1)
    await rest()


async def test_a_turn_that_waited_is_answered() -> None:
    async with full_house() as house:
        client = house.client
        await waits(client)
        assert (house.turnstile.waiting, house.fakes.model.received) == (1, [])
        house.make_room()
        await client.next(VoiceResponse)


async def test_a_turn_that_waited_too_long_is_refused_and_the_next_one_may_wait_again() -> None:
    async with full_house(wait_seconds=0.01) as house:
        client = house.client
        for turn in (1, 2):
            await client.say(TextMessage(text="what time is it"))
            told = await client.next(ErrorMessage, turn)
            assert told.error_code is ErrorCode.SERVER_BUSY
            assert told.turn_id == client.all(ProcessingStarted)[-1].turn_id
            assert told.retry_suggested
            assert isinstance(told.details, dict)
            assert told.details["retry_after_ms"] > 0
        assert [report.outcome for report in client.reports] == ["refused", "refused"]
        assert house.fakes.model.received == []
        house.make_room()


async def test_interrupted_while_it_waits() -> None:
    async with full_house() as house:
        client = house.client
        await waits(client)
        await client.say(Interrupt())
        assert (await client.next(Interrupted)).heard_text == ""
        assert house.turnstile.waiting == 0
        house.make_room()
        await rest()
        assert (house.turnstile.in_progress, house.fakes.model.received) == (0, [])


async def test_interrupted_when_it_was_just_let_in() -> None:
    async with full_house() as house:
        client = house.client
        for steps in range(12):
            await waits(client, f"question {steps}")
            house.make_room()
            for _ in range(steps):
                await asyncio.sleep(0)
            await client.say(Interrupt())
            await client.next(Interrupted, steps + 1)
            assert (house.turnstile.in_progress, house.turnstile.waiting) == (0, 0)
            house.fill()
        house.make_room()


async def test_the_wait_counts_against_the_turns_deadline() -> None:
    async with full_house(HASTY) as house:
        client = house.client
        await client.say(TextMessage(text="what time is it"))
        assert (await client.next(ErrorMessage)).error_code is ErrorCode.TURN_TIMEOUT
        assert house.turnstile.waiting == 0
        house.make_room()


@pytest.mark.parametrize("reason", ["", "replaced"])
async def test_its_client_leaves_while_it_waits(reason: str) -> None:
    async with full_house(again=False) as house:
        client = house.client
        await waits(client)
        await client.say(TextMessage(text="one that waits behind it"))
        await client.connection.close(1000, reason)
        assert house.turnstile.waiting == 0
        house.make_room()
        await rest()
        assert house.fakes.model.received == []


async def test_a_ping_is_answered_meanwhile() -> None:
    async with full_house() as house:
        client = house.client
        await waits(client)
        await client.say(Ping())
        await client.next(Pong)
        house.make_room()
        await client.next(VoiceResponse)


async def test_a_drain_waits_for_it() -> None:
    async with full_house() as house:
        client = house.client
        await waits(client)
        draining = asyncio.create_task(client.connection.finish_turns())
        await rest()
        assert not draining.done()
        house.make_room()
        await draining
        await client.next(VoiceResponse)


@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_an_interrupted_turn_gives_its_place_back_before_its_engine_stops(stage: str, manner: Manner) -> None:
    turnstile = Turnstile(1, 60.0)
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, manner)
    async with scene(fakes, turnstile=turnstile) as client:
        await client.say(wav())
        await trouble.reached.wait()
        other = turnstile.ask()
        await client.say(Interrupt())
        await client.next(Interrupted)
        assert other.held.is_set()
        trouble.let_go.set()
        await client.conversation.finish()
        assert turnstile.in_progress == 1
        other.leave()


@pytest.mark.parametrize("stage", STAGES)
async def test_a_turn_that_takes_too_long_gives_its_place_back_before_its_engine_stops(stage: str) -> None:
    turnstile = Turnstile(1, 60.0)
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, "slow")
    async with scene(fakes, HASTY, turnstile=turnstile) as client:
        await client.say(wav())
        await client.next(ErrorMessage)
        assert turnstile.in_progress == 0
        trouble.let_go.set()


@pytest.mark.parametrize("stage", STAGES)
async def test_a_bug_gives_the_place_back(stage: str) -> None:
    turnstile = Turnstile(1, 60.0)
    fakes = TroubledEngines()
    fakes.trouble(stage, error=ZeroDivisionError()).go.set()
    async with scene(fakes, turnstile=turnstile) as client:
        await client.say(wav())
        await client.next(ErrorMessage)
        await client.conversation.finish()
        assert turnstile.in_progress == 0


async def test_nothing_is_prepared_while_all_places_are_taken_and_the_turn_comes_all_the_same() -> None:
    async with full_house(**VAD) as house:
        client = house.client
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        assert (house.fakes.transcriber.received, house.turnstile.waiting) == ([], 0)
        await play(client, silence(1200))
        await client.next(TurnProcessingStarted)
        await rest()
        assert house.turnstile.waiting == 1
        house.make_room()
        await client.next(VoiceResponse)


async def test_a_prepared_turn_keeps_its_place_when_it_has_become_one() -> None:
    turnstile = Turnstile(1, 0.0)
    fakes = TroubledEngines()
    trouble = fakes.trouble("model")
    async with scene(fakes, turnstile=turnstile, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        other = turnstile.ask()
        await play(client, silence(1200))
        await client.next(TurnProcessingStarted)
        assert not other.held.is_set()
        trouble.go.set()
        await client.next(VoiceResponse)
        other.leave()


@pytest.mark.parametrize("manner", get_args(Manner))
async def test_a_prepared_turn_that_is_none_gives_its_place_back(manner: Manner) -> None:
    turnstile = Turnstile(1, 60.0)
    fakes = TroubledEngines()
    trouble = fakes.trouble("model", manner)
    fakes.transcriber.transcript = Transcript("I would like to", "en")
    async with scene(fakes, turnstile=turnstile, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        other = turnstile.ask()
        resuming = asyncio.create_task(play(client, speech(UTTERANCE)))
        await until_true(other.held.is_set)
        trouble.let_go.set()
        await resuming
        other.leave()
        await play(client, silence(1200))
        await client.next(VoiceResponse)


async def test_a_typed_turn_takes_the_place_of_what_its_connection_prepared() -> None:
    turnstile = Turnstile(1, 0.0)
    fakes = TroubledEngines()
    trouble = fakes.trouble("transcriber")
    async with scene(fakes, turnstile=turnstile, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        await converse(client, "never mind")
        assert trouble.cancelled.is_set()
        await play(client, silence(1200))
        await client.next(VoiceResponse, 2)
        assert len(fakes.transcriber.received) == 2


async def test_speech_interrupts_a_turn_that_waits_and_the_next_one_begins_with_it() -> None:
    async with full_house(PLAIN, **VAD) as house:
        client = house.client
        await client.say(PCM)
        await speak(client)
        await client.next(TurnProcessingStarted)
        await play(client, speech(STARTS))
        assert (await client.next(Interrupted)).reason == "speech"
        house.make_room()
        await play(client, silence(CONFIRMED))
        await client.next(VoiceResponse)
        pcm: bytes = house.fakes.transcriber.received[-1].raw_data
        assert pcm.count(b"\xe8\x03") // 16 == UTTERANCE + STARTS
