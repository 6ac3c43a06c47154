import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simplevoice.config import Config
from simplevoice.conversation.turn import Turn, TurnContext
from simplevoice.conversation.turn_queue import MAX_WAITING, TurnQueue
from simplevoice.conversation.utterance import Typed
from simplevoice.errors import BusyError, RateLimitedError
from simplevoice.observation import Observation
from simplevoice.protocol import Interrupted, ProcessingStarted, VoiceResponse
from simplevoice.rates import audio_allowed
from simplevoice.turnstile import Turnstile
from tests.fakes.client import FakeClient, connected, with_changes
from tests.fakes.engines import FakeEngines
from tests.unit.conversation.test_pipeline import request

CONFIG = with_changes(Config(), "limits", turns_per_minute=6)


class Stage:
    """A queue with the turns that a test puts into it, and the client that hears of them."""

    def __init__(self, client: FakeClient, fakes: FakeEngines) -> None:
        self.client = client
        self.fakes = fakes
        self.moved = asyncio.Event()
        self.queue = TurnQueue("c", CONFIG.limits, self.moved.set)
        self.turnstile = Turnstile(1, 60.0)
        self._context = TurnContext(
            client.connection,
            fakes,
            CONFIG,
            client.history,
            Observation(),
            self.turnstile,
            audio_allowed(CONFIG.limits),
            "base64",
        )

    def turn(self, name: str) -> Turn:
        return Turn(name, request(Typed(name)), self._context)

    def told(self, kind: type[ProcessingStarted] | type[VoiceResponse] | type[Interrupted]) -> list[str]:
        return [message.turn_id for message in self.client.all(kind)]


@asynccontextmanager
async def on_stage() -> AsyncIterator[Stage]:
    fakes = FakeEngines()
    async with connected(fakes) as client:
        stage = Stage(client, fakes)
        yield stage
        fakes.model.gate.opened.set()
        await stage.queue.stop(None)
        assert stage.turnstile.in_progress == 0


async def test_turns_are_answered_one_after_the_other() -> None:
    async with on_stage() as stage:
        for name in ("a", "b", "c"):
            stage.queue.submit(stage.turn(name))
        assert (stage.queue.state, stage.queue.waiting, stage.queue.working) == ("thinking", 2, True)
        await stage.moved.wait()
        await stage.client.next(VoiceResponse, 3)
        assert stage.told(ProcessingStarted) == stage.told(VoiceResponse) == ["a", "b", "c"]
        assert not stage.queue


async def test_too_many_wait_already() -> None:
    async with on_stage() as stage:
        stage.fakes.model.gate.shut()
        for n in range(1 + MAX_WAITING):
            stage.queue.submit(stage.turn(f"t{n}"))
        with pytest.raises(BusyError):
            stage.queue.submit(stage.turn("one too many"))


async def test_too_many_in_a_minute() -> None:
    async with on_stage() as stage:
        for n in range(6):
            stage.queue.submit(stage.turn(f"t{n}"))
            await stage.client.next(VoiceResponse, n + 1)
        with pytest.raises(RateLimitedError):
            stage.queue.submit(stage.turn("one too many"))


async def test_what_is_cut_is_over_at_once_and_the_next_one_comes() -> None:
    async with on_stage() as stage:
        stage.fakes.model.gate.shut()
        first, second = stage.turn("a"), stage.turn("b")
        for turn in (first, second):
            stage.queue.submit(turn)
        await stage.fakes.model.gate.reached.wait()
        assert stage.queue.interruptible == [first]
        assert stage.queue.named("b") == [second]
        await stage.queue.cut(first, "client")
        assert stage.queue.interruptible == [second]
        stage.fakes.model.gate.opened.set()
        await stage.client.next(VoiceResponse)
        assert (stage.told(Interrupted), stage.told(VoiceResponse)) == (["a"], ["b"])


async def test_what_was_answered_last_can_be_cut_while_it_plays() -> None:
    async with on_stage() as stage:
        turn = stage.turn("a")
        stage.queue.submit(turn)
        await stage.moved.wait()
        assert (stage.queue.state, stage.queue.interruptible) == ("speaking", [turn])
        await stage.queue.cut(turn, "speech")
        assert (stage.queue.state, stage.queue.interruptible) == (None, [])


async def test_what_was_prepared_gives_way_to_another_turn() -> None:
    async with on_stage() as stage:
        stage.fakes.model.gate.shut()
        prepared = stage.turn("prepared")
        assert stage.queue.prepare(prepared)
        assert not stage.queue.prepare(stage.turn("no place for it"))
        await stage.fakes.model.gate.reached.wait()
        stage.queue.submit(stage.turn("a"))
        assert prepared.halted
        stage.fakes.model.gate.opened.set()
        await stage.client.next(VoiceResponse)
        await prepared.cancel()
        assert stage.told(ProcessingStarted) == ["a"]


async def test_what_was_prepared_is_answered() -> None:
    async with on_stage() as stage:
        prepared = stage.turn("prepared")
        assert stage.queue.prepare(prepared)
        stage.queue.submit(prepared)
        await stage.client.next(VoiceResponse)
        assert not prepared.halted


async def test_a_stop_tells_of_the_turn_in_progress_only() -> None:
    async with on_stage() as stage:
        stage.fakes.model.gate.shut()
        for name in ("a", "b"):
            stage.queue.submit(stage.turn(name))
        await stage.fakes.model.gate.reached.wait()
        await stage.queue.stop("replaced")
        await stage.client.next(Interrupted)
        assert stage.told(ProcessingStarted) == stage.told(Interrupted) == ["a"]
        assert not stage.queue.working


async def test_what_is_forgotten_is_answered_and_not_remembered() -> None:
    async with on_stage() as stage:
        stage.fakes.model.gate.shut()
        stage.queue.submit(stage.turn("a"))
        await stage.fakes.model.gate.reached.wait()
        stage.queue.forget()
        stage.fakes.model.gate.opened.set()
        await stage.client.next(VoiceResponse)
        assert stage.client.history.exchanges == ()
