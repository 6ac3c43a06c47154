"""Random schedules: what a client does and what the engines do, in any order, under a clock of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simplevoice.config import Config
from simplevoice.conversation import playback
from simplevoice.errors import EngineError, ReplyError, SpeechError, TranscriptionError
from simplevoice.protocol import (
    AudioEnd,
    Interrupt,
    Ping,
    Pong,
    ProcessingStarted,
    SessionUpdate,
    TextMessage,
    TurnProcessingStarted,
)
from simplevoice.stt import Transcript
from simplevoice.turnstile import Place, Turnstile
from tests.fakes.client import FakeClient, connected, with_changes
from tests.fakes.engines import FakeEngine, FakeEngines, FakeModel, FakeSpeaker, FakeTranscriber
from tests.races.engines import LoudnessModel, silence, speech
from tests.races.law import assert_lawful, assert_remembered
from tests.races.scene import PCM, Clock, rest

CONFIG = with_changes(Config(), "limits", history_turns=1000)


class _Stepping(FakeEngine):
    """Takes a step when it is told to."""

    waiting: "list[tuple[_Stepping, asyncio.Future[None]]]"

    async def work(self) -> None:
        step = asyncio.get_running_loop().create_future()
        self.waiting.append((self, step))
        self.running += 1
        try:
            await step
        finally:
            self.running -= 1
            self.waiting.remove((self, step))


class _Transcriber(_Stepping, FakeTranscriber):
    """Never hears the same twice."""

    async def transcribe(self, audio: Any, language: Any) -> Transcript:
        self.received.append(audio)
        ending = ("and", ".", "?")[len(self.received) % 3]
        self.transcript = Transcript(f"utterance {len(self.received)} {ending}", language)
        text = self.transcript
        await self.work()
        return text


class _Model(_Stepping, FakeModel):
    pass


class _Speaker(_Stepping, FakeSpeaker):
    pass


FAILURES: dict[type[_Stepping], type[EngineError]] = {
    _Transcriber: TranscriptionError,
    _Model: ReplyError,
    _Speaker: SpeechError,
}


class SteppingEngines(FakeEngines):
    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[_Stepping, asyncio.Future[None]]] = []
        self.transcriber = _Transcriber()
        self.model = _Model()
        self.speaker = _Speaker()
        self.voice_activity = LoudnessModel()
        for engine in (self.transcriber, self.model, self.speaker):
            engine.waiting = self.waiting

    def step(self, which: int, failing: bool) -> None:
        """Let one of those who wait go on, or fail."""
        if not self.waiting:
            return
        engine, step = self.waiting[which % len(self.waiting)]
        if step.done():
            return
        if failing:
            step.set_exception(FAILURES[type(engine)]("told to fail"))
        else:
            step.set_result(None)


class InlineExecutor(ThreadPoolExecutor):
    """Runs a job where it is submitted: no schedule depends on how fast a thread is."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


ACTIONS = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 3)),
    st.tuples(st.just("step"), st.integers(0, 3)),
    st.tuples(st.just("steps"), st.integers(1, 20)),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("loop"), st.integers(1, 6)),
    st.tuples(st.just("play"), st.integers(10, 500)),
    st.tuples(st.just("speech"), st.sampled_from([32, 250, 256, 300, 900])),
    st.tuples(st.just("silence"), st.sampled_from([32, 192, 224, 500, 512, 1200])),
    st.tuples(st.just("text"), st.just(0)),
    st.tuples(st.just("interrupt"), st.sampled_from([0, 0, 50, 150, 10_000])),
    st.tuples(st.just("interrupt by name"), st.integers(0, 3)),
    st.tuples(st.just("update"), st.integers(0, 1)),
    st.tuples(st.just("start"), st.just(0)),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("ping"), st.just(0)),
    st.tuples(st.just("garbage"), st.just(0)),
    st.tuples(st.just("others"), st.integers(0, 2)),
)
Script = list[tuple[str, int]]


class Player:
    """Plays a script."""

    def __init__(self, client: FakeClient, fakes: SteppingEngines, clock: Clock, turnstile: Turnstile) -> None:
        self._client = client
        self._fakes = fakes
        self._clock = clock
        self._turnstile = turnstile
        self._others: list[Place] = []
        self._texts = 0
        self._pings = 0

    async def play(self, action: str, value: int) -> None:
        say = self._client.say
        match action:
            case "step" | "fail":
                self._fakes.step(value, failing=action == "fail")
            case "steps":
                for _ in range(value):
                    self._fakes.step(0, failing=False)
                    await asyncio.sleep(0)
            case "loop":
                for _ in range(value):
                    await asyncio.sleep(0)
            case "play":
                self._clock.now += value / 1000
            case "speech":
                await say(speech(value))
            case "silence":
                await say(silence(value))
            case "text":
                self._texts += 1
                await say(TextMessage(text=f"text {self._texts}"))
            case "interrupt":
                await say(Interrupt(played_ms=value) if value else Interrupt())
            case "interrupt by name":
                begun = [m for m in self._client.received if isinstance(m, ProcessingStarted | TurnProcessingStarted)]
                if begun:
                    await say(Interrupt(turn_id=begun[-1 - value % len(begun)].turn_id))
            case "update":
                await say(SessionUpdate(voice_type=("male", "female")[value]))
            case "start":
                await say(PCM)
            case "end":
                await say(AudioEnd())
            case "ping":
                self._pings += 1
                await say(Ping())
            case "garbage":
                await say("{")
            case "others":
                self.others_leave()
                self._others = [self._turnstile.ask() for _ in range(value)]

        # Of all places and of all who wait for one, at most one belongs to this client.
        assert self._turnstile.in_progress + self._turnstile.waiting <= len(self._others) + 1

    def others_leave(self) -> None:
        for place in self._others:
            place.leave()
        self._others.clear()

    async def to_the_end(self) -> None:
        """Let everything that was begun come to its end."""
        self.others_leave()
        await self._client.say(PCM)
        await self._client.say(AudioEnd())
        working = asyncio.create_task(self._client.conversation.finish())
        while not working.done():
            self._fakes.step(0, failing=False)
            await asyncio.sleep(0)
        await rest()
        assert len(self._client.all(Pong)) == self._pings


async def perform(script: Script, turn_detection: str, leaves: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(InlineExecutor())
    fakes, clock, turnstile = SteppingEngines(), Clock(), Turnstile(2, 60.0)
    mode: dict[str, Any] = {"response_mode": "stream", "audio_format": "pcm16", "turn_detection": turn_detection}
    with patch.object(playback, "time", clock):
        async with connected(fakes, CONFIG, turnstile=turnstile, **mode) as client:
            player = Player(client, fakes, clock, turnstile)
            await client.say(PCM)
            for action, value in script:
                await player.play(action, value)
            if not leaves:
                await player.to_the_end()
        player.others_leave()
        assert (turnstile.in_progress, turnstile.waiting) == (0, 0)
        assert_lawful(client.received, closed=leaves)
        assert_remembered(client.received, client.history.exchanges)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, min_size=10, max_size=60), st.sampled_from(["none", "server_vad"]), st.booleans())
def test_whatever_the_order(script: Script, turn_detection: str, leaves: bool) -> None:
    asyncio.run(perform(script, turn_detection, leaves))
