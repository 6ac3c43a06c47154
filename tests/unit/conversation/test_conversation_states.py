"""Any message in any state of a conversation: one error for a refusal, no crash, and a ping is answered behind it."""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, TypeVar

import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import UNSET

from simplevoice.config import Config
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.protocol import CLIENT_MESSAGES, ErrorMessage, Ping, Pong, decode, encode
from simplevoice.types import INPUT_FORMATS
from tests.fakes.client import FakeClient, connected, with_changes
from tests.media import encode as recorded
from tests.media import live, tone
from tests.races.engines import silence, speech
from tests.races.law import assert_lawful
from tests.races.scene import rest
from tests.races.test_schedules import InlineExecutor, SteppingEngines
from tests.unit.test_protocol import FIELDS, RUBBISH, VALUES

T = TypeVar("T")

CONFIG = with_changes(Config(), "limits", max_audio_seconds=5.0, max_audio_bytes=10_000)
BROKEN = {"turn_crashed", "connection_crashed", "clean_up_failed", "engine_does_not_stop", "smart_turn_failed"}

SOUNDS: dict[str, bytes] = {
    **{container: recorded(tone(60), container) for container in INPUT_FORMATS},
    "live webm": live(tone(400), "webm"),
    "live ogg": live(tone(400), "ogg"),
    "speech": speech(300),
    "silence": silence(300),
    "too much": bytes(10_001),
}

# What is right, beside what is not.
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(min_size=1, max_size=20),
    "format": st.sampled_from(["pcm16", "webm", "ogg", "wav", "mp3"]),
    "sample_rate": st.sampled_from([8000, 16_000, 48_000]),
    "channels": st.sampled_from([1, 2]),
    "audio_data": st.sampled_from(["", "AAAA", "UklGRg=="]),
    "language": st.sampled_from(["ar", "en"]),
    "voice_type": st.sampled_from(["male", "female"]),
    "voice": st.sampled_from([None, "ar-SA-HamedNeural"]),
    "rate": st.sampled_from([None, "+10%", "-99%"]),
    "instructions": st.none() | st.text(min_size=1, max_size=10),
    "turn_id": st.just("turn_0") | st.text(max_size=10),
    "played_ms": st.floats(0, 1e6),
}
MESSAGES = st.builds(
    lambda tag, fields: json.dumps({"type": tag, **fields}),
    st.sampled_from([str(c.__struct_config__.tag) for c in CLIENT_MESSAGES]),
    st.fixed_dictionaries({}, optional={name: RIGHT[name] for name in RIGHT})
    | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
)


class AnyMessageInAnyState(RuleBasedStateMachine):
    """A client that says anything, and engines that take a step when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.log = self.stack.enter_context(structlog.testing.capture_logs())
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.runner.get_loop().set_default_executor(InlineExecutor())
        self.fakes = SteppingEngines()
        self.stopped = False
        self.left = asyncio.Event()
        self.session: asyncio.Task[None] | None = None
        self.client: FakeClient

    async def converse(self, turns: str, mode: str, ready: asyncio.Event) -> None:
        """Be connected until the client has left."""
        chosen: dict[str, Any] = {"turn_detection": turns, "response_mode": mode, "audio_format": "pcm16"}
        async with connected(self.fakes, CONFIG, **chosen) as self.client:
            ready.set()
            await self.left.wait()

    def run(self, action: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop, and let come to rest what it sets off."""

        async def do() -> T:
            result = await action
            await rest()
            return result

        return self.runner.run(do())

    @initialize(turns=st.sampled_from(["none", "server_vad"]), mode=st.sampled_from(["complete", "stream"]))
    def connect(self, turns: str, mode: str) -> None:
        ready = asyncio.Event()
        self.session = self.runner.get_loop().create_task(self.converse(turns, mode, ready))
        self.run(ready.wait())

    @property
    def refusals(self) -> list[ErrorCode]:
        """The errors that are of no turn."""
        return [error.error_code for error in self.client.all(ErrorMessage) if error.turn_id is UNSET]

    def say(self, message: str | bytes) -> list[ErrorCode]:
        """Send a message; gives what it was refused with, at once."""
        before = len(self.refusals)
        self.run(self.client.say(message))
        return self.refusals[before:]

    @rule(text=MESSAGES | RUBBISH)
    def send_text(self, text: str) -> None:
        expected: list[ErrorCode] = []
        try:
            decode(text)
        except ClientError as error:
            expected = [error.code]
        refused = self.say(text)
        assert self.stopped or not expected or refused == expected
        assert len(refused) <= 1

    @rule(data=st.binary(max_size=60))
    def send_bytes(self, data: bytes) -> None:
        assert len(self.say(data)) <= 1

    @rule(
        sound=st.sampled_from(sorted(SOUNDS)), begin=st.just(0.0) | st.floats(0, 1), end=st.just(1.0) | st.floats(0, 1)
    )
    def send_sound(self, sound: str, begin: float, end: float) -> None:
        data = SOUNDS[sound]
        assert len(self.say(data[int(len(data) * begin) : int(len(data) * end)])) <= 1

    @rule(start=st.booleans())
    def speak(self, start: bool) -> None:
        """A second of speech and enough silence to end a turn."""
        if start:
            self.say('{"type":"audio_start","format":"pcm16","sample_rate":16000}')
        for piece in [speech(300)] * 3 + [silence(300)] * 5:
            assert len(self.say(piece)) <= 1

    @rule(turns=st.integers(1, 4))
    def type_something(self, turns: int) -> None:
        for _ in range(turns):
            assert self.say('{"type":"text_message","text":"and now"}') in ([], [ErrorCode.SERVER_BUSY])

    @rule(which=st.integers(0, 3), steps=st.integers(1, 12), failing=st.booleans())
    def let_engines_work(self, which: int, steps: int, failing: bool) -> None:
        async def work() -> None:
            for step in range(steps):
                self.fakes.step(which, failing and step == 0)
                await rest()

        self.run(work())

    @precondition(lambda self: not self.stopped)
    @rule(reason=st.sampled_from(["", "replaced"]))
    def stop(self, reason: str) -> None:
        self.run(self.client.conversation.stop(reason))
        self.stopped = True

    @invariant()
    def answers_pings(self) -> None:
        if self.session is None:
            return
        before = len(self.client.received)
        pongs = len(self.client.all(Pong))
        self.run(self.client.say(encode(Ping())))
        assert len(self.client.all(Pong)) == pongs + (not self.stopped)
        assert not self.stopped or len(self.client.received) == before

    @invariant()
    def nothing_broke(self) -> None:
        assert not BROKEN & {entry["event"] for entry in self.log}

    def teardown(self) -> None:
        if self.session is not None:
            self.left.set()
            self.runner.get_loop().run_until_complete(self.session)  # alone: it looks whether a task is left
            assert_lawful(self.client.received, closed=True)
            self.nothing_broke()
        self.stack.close()


def test_any_message_in_any_state() -> None:
    run_state_machine_as_test(
        AnyMessageInAnyState,
        settings=settings(
            max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
