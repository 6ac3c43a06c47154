"""Clients that ask for more than they may: refused one by one, and nothing else changes."""

from simplevoice.config import Config
from simplevoice.errors import ErrorCode
from simplevoice.protocol import (
    AudioEnd,
    ErrorMessage,
    ProcessingStarted,
    TextMessage,
    TurnProcessingStarted,
    VoiceResponse,
)
from simplevoice.turnstile import Turnstile
from tests.fakes.client import FakeClient, with_changes
from tests.races.engines import TroubledEngines, silence
from tests.races.scene import PCM, converse, play, rest, scene
from tests.races.test_speech import TENTATIVE, VAD, speak
from tests.unit.conversation.test_pipeline import wav

ONE_TURN = with_changes(Config(), "limits", turns_per_minute=1)
ONE_MINUTE = with_changes(Config(), "limits", audio_seconds_per_minute=60.0)


async def refused(client: FakeClient, count: int = 1) -> ErrorMessage:
    told = await client.next(ErrorMessage, count)
    assert told.error_code is ErrorCode.RATE_LIMITED
    assert told.retry_suggested
    assert isinstance(told.details, dict)
    assert 0 < told.details["retry_after_ms"] <= 60_000
    return told


async def test_a_turn_too_many_does_not_begin() -> None:
    async with scene(TroubledEngines(), ONE_TURN, again=False) as client:
        await converse(client)
        for count in (1, 2):
            await client.say(TextMessage(text="and one more"))
            assert not isinstance((await refused(client, count)).turn_id, str)
        assert len(client.all(ProcessingStarted)) == 1


async def test_a_prepared_turn_too_many_leaves_nothing_and_the_stream_goes_on() -> None:
    fakes, turnstile = TroubledEngines(), Turnstile(1, 60.0)
    trouble = fakes.trouble("speaker")
    async with scene(fakes, ONE_TURN, again=False, turnstile=turnstile, **VAD) as client:
        await client.say(PCM)
        for count in (1, 2):
            await speak(client, pause=TENTATIVE)
            if count == 1:
                await trouble.reached.wait()
                trouble.go.set()
            await play(client, silence(1200))
        await refused(client)
        await client.next(VoiceResponse)
        assert len(client.all(TurnProcessingStarted)) == 1
        await rest()
        assert turnstile.in_progress == 0
        assert client.connection.closed is False


async def test_a_recording_too_many_is_refused_before_it_is_transcribed() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, ONE_MINUTE) as client:
        await client.say(wav(40))
        await client.next(VoiceResponse)
        await client.say(wav(40))
        assert (await refused(client)).turn_id == client.all(ProcessingStarted)[-1].turn_id
        assert len(fakes.transcriber.received) == 1
        assert client.reports[-1].outcome == "refused"


async def test_a_stream_faster_than_real_time_is_refused_once_and_passed_over() -> None:
    async with scene(TroubledEngines(), ONE_MINUTE, **VAD) as client:
        await client.say(PCM)
        for _ in range(100):
            await client.say(silence(1000))
        await refused(client)
        assert client.conversation.streaming  # its pieces are still pieces
        await client.say(AudioEnd())
        await client.say(PCM)
        await client.say(silence(5000))
        await refused(client, 2)
        assert len(client.all(ErrorMessage)) == 2


async def test_audio_is_counted_exactly_however_it_is_cut() -> None:
    async with scene(TroubledEngines(), ONE_MINUTE, **VAD) as client:
        await client.say(PCM)
        sound = silence(2000)
        for start in range(0, len(sound), 170):
            await client.say(sound[start : start + 170])
        await client.say(silence(57_900))
        assert client.all(ErrorMessage) == []
        await client.say(silence(10_000))
        await refused(client)
