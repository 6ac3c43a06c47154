"""How long a client waits for its turn, and what is not counted as waiting."""

import pytest

from simplevoice.config import Config
from simplevoice.conversation import patience
from simplevoice.errors import ErrorCode
from simplevoice.outgoing import MAX_QUEUED_MESSAGES
from simplevoice.protocol import AudioChunk, ErrorMessage, TextMessage, TurnProcessingStarted, VoiceResponse
from simplevoice.stt import Transcript
from tests.fakes.client import FakeClient, with_changes
from tests.races.engines import SPEAKING_STAGES, STAGES, Trouble, TroubledEngines, silence
from tests.races.scene import PCM, play, scene, until_true
from tests.races.test_speech import TENTATIVE, VAD, speak
from tests.unit.conversation.test_pipeline import wav

LIMIT, NEXT_LIMIT = 0.02, 0.005
"""Seconds of the clock below, to the first sound and to each next one; the shorter is also the real time between two
looks at it."""
CONFIG = with_changes(Config(), "limits", turn_timeout_seconds=LIMIT, next_sound_seconds=NEXT_LIMIT)


class Clock:
    """Stands still unless it is set; counts how often it is looked at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.now

    async def let_pass(self, seconds: float) -> None:
        """Set it, and wait until that was seen."""
        self.now += seconds
        looks = self.looks
        await until_true(lambda: self.looks > looks + 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


async def timed_out(client: FakeClient) -> None:
    assert (await client.next(ErrorMessage)).error_code is ErrorCode.TURN_TIMEOUT


@pytest.mark.parametrize("response_mode", ["complete", "stream"])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_client_that_waits_too_long_is_told(clock: Clock, stage: str, response_mode: str) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage)
    async with scene(fakes, CONFIG, response_mode=response_mode) as client:
        await client.say(wav())
        await trouble.reached.wait()
        limit = LIMIT
        if response_mode == "stream" and stage in SPEAKING_STAGES:
            await client.next(AudioChunk, STAGES.index(stage) - STAGES.index("speaker"))
            limit = NEXT_LIMIT
        await clock.let_pass(limit * 0.9)
        assert client.all(ErrorMessage) == []
        clock.now += limit * 0.2
        await timed_out(client)


async def test_a_long_reply_may_take_long_while_sound_of_it_comes(clock: Clock) -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = ["It is a long story. "]
    fakes.speaker.chunks = 10
    troubles = fakes.speaker.troubles = {chunk: Trouble() for chunk in range(1, 10)}
    async with scene(fakes, CONFIG) as client:
        await client.say(TextMessage(text="tell me a story"))
        for chunk, trouble in list(troubles.items()):
            await trouble.reached.wait()
            await client.next(AudioChunk, chunk)
            await clock.let_pass(NEXT_LIMIT * 0.9)
            trouble.go.set()
        await client.next(VoiceResponse)


async def test_who_waited_long_for_the_first_sound_does_not_wait_as_long_for_the_next(clock: Clock) -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = ["It is a long story. "]
    first, second = Trouble(), Trouble()
    fakes.speaker.troubles = {0: first, 1: second}
    async with scene(fakes, CONFIG) as client:
        await client.say(TextMessage(text="tell me a story"))
        await first.reached.wait()
        await clock.let_pass(LIMIT * 0.9)
        first.go.set()
        await second.reached.wait()
        await client.next(AudioChunk)
        await clock.let_pass(NEXT_LIMIT * 0.9)
        assert client.all(ErrorMessage) == []
        clock.now += NEXT_LIMIT * 0.2
        await timed_out(client)


async def test_a_complete_reply_must_be_there_in_time(clock: Clock) -> None:
    fakes = TroubledEngines()
    fakes.model.pieces = ["It is a long story. "]
    first, second = Trouble(), Trouble()
    fakes.speaker.troubles = {0: first, 1: second}
    async with scene(fakes, CONFIG, response_mode="complete") as client:
        await client.say(TextMessage(text="tell me a story"))
        await first.reached.wait()
        await clock.let_pass(LIMIT * 0.6)
        first.go.set()
        await second.reached.wait()
        clock.now += LIMIT * 0.6
        await timed_out(client)


async def test_a_client_that_reads_slowly_does_not_wait(clock: Clock) -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = MAX_QUEUED_MESSAGES
    async with scene(fakes, CONFIG) as client:
        client.reading.clear()
        await client.say(TextMessage(text="tell me a story"))
        outgoing = client.connection._outgoing
        await until_true(lambda: len(outgoing) >= MAX_QUEUED_MESSAGES and outgoing._line is not None)
        await clock.let_pass(100 * LIMIT)
        client.reading.set()
        await client.next(VoiceResponse)
        fakes.speaker.chunks = 2


async def test_work_ahead_does_not_count(clock: Clock) -> None:
    fakes = TroubledEngines()
    fakes.transcriber.transcript = Transcript("I would like to", "en")
    trouble = fakes.trouble("model")
    async with scene(fakes, CONFIG, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        await clock.let_pass(100 * LIMIT)
        await play(client, silence(1200))
        await client.next(TurnProcessingStarted)
        await clock.let_pass(LIMIT * 0.9)
        assert client.all(ErrorMessage) == []
        trouble.go.set()
        await client.next(VoiceResponse)
