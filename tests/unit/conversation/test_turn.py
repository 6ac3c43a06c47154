import asyncio
from typing import Any

import pytest

from simplevoice.config import Config
from simplevoice.errors import ErrorCode, ReplyError, SpeechError, TranscriptionError
from simplevoice.protocol import (
    AudioChunk,
    AudioMessage,
    ErrorMessage,
    Guidance,
    Interrupt,
    Interrupted,
    ProcessingStarted,
    ResponseText,
    TextMessage,
    VoiceResponse,
)
from tests.fakes.client import connected, with_changes
from tests.fakes.engines import FakeEngines
from tests.unit.conversation.test_pipeline import wav


async def test_a_complete_turn() -> None:
    async with connected(FakeEngines()) as client:
        await client.say(AudioMessage(audio_data=wav(), format="wav"))
        answer = await client.next(VoiceResponse)
        assert client.kinds == ["processing_started", "voice_response"]
        assert answer.transcription == "what time is it"
        assert answer.response_text == "It is noon. Time to eat."
        assert (answer.audio_format, answer.sample_rate, answer.language) == ("mp3", 24_000, "en")
        assert (answer.session_id, answer.message_count, answer.tts_engine) == ("s", 1, "fake")
        assert isinstance(answer.audio_base64, bytes)
        assert len(answer.audio_base64) > 1000
        assert answer.duration_ms == pytest.approx(400, abs=60)
        assert answer.response_time_ms == answer.timings.total
        assert answer.timings.decode is not None
        assert answer.turn_id == client.all(ProcessingStarted)[0].turn_id
        assert client.performance.turns == 1
        assert client.connection.message_count == 1
        assert client.connection.last_response_time_ms == answer.timings.total


async def test_a_streamed_turn() -> None:
    async with connected(FakeEngines(), response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="hello"))
        answer = await client.next(VoiceResponse)
        chunks = client.all(AudioChunk)
        assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
        assert sum(chunk.size for chunk in chunks) == 24 * 2 * answer.duration_ms
        assert [piece.text for piece in client.all(ResponseText)] == ["It is noon.", "Time to eat."]
        assert client.kinds[:3] == ["processing_started", "transcription", "response_text"]
        assert client.kinds[-1] == "voice_response"
        assert not isinstance(answer.audio_base64, bytes)
        assert answer.timings.first_audio is not None


async def test_binary_chunks_follow_their_message() -> None:
    settings: dict[str, Any] = {"response_mode": "stream", "audio_format": "pcm16", "audio_transport": "binary"}
    async with connected(FakeEngines(), **settings) as client:
        await client.say(TextMessage(text="hello"))
        await client.next(VoiceResponse)
        assert [chunk.size for chunk in client.all(AudioChunk)] == [len(payload) for payload in client.payloads]


async def test_guidance_in_the_language_of_the_connection() -> None:
    fakes = FakeEngines()
    fakes.voice_activity.speaks = False
    async with connected(fakes, language="ar") as client:
        await client.say(wav())
        guidance = await client.next(Guidance)
        assert guidance.reason == "no_speech"
        assert guidance.transcription == ""
        assert "كلام" in guidance.guidance
        assert client.performance.turns == 0
        assert client.history.exchanges == ()


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        ("transcriber", TranscriptionError("secret path")),
        ("model", ReplyError("secret path")),
        ("speaker", SpeechError("secret path")),
    ],
)
async def test_one_failure_is_one_error_without_its_text(stage: str, error: Exception) -> None:
    fakes = FakeEngines()
    getattr(fakes, stage).error = error
    async with connected(fakes) as client:
        await client.say(wav())
        told = await client.next(ErrorMessage)
        assert told.error_code is error.code  # type: ignore[attr-defined]  # all three are SimpleVoiceErrors
        assert "secret" not in told.message
        assert told.retry_suggested
        getattr(fakes, stage).error = None
        await client.say(wav())
        await client.next(VoiceResponse)
        assert len(client.all(ErrorMessage)) == 1


async def test_a_bug_is_an_internal_error_and_the_conversation_goes_on() -> None:
    fakes = FakeEngines()
    fakes.model.error = ZeroDivisionError("secret")
    async with connected(fakes) as client:
        await client.say(TextMessage(text="hello"))
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.INTERNAL_ERROR
        assert "secret" not in told.message
        fakes.model.error = None
        await client.say(TextMessage(text="hello"))
        await client.next(VoiceResponse)


@pytest.mark.parametrize("stage", ["transcriber", "model", "speaker"])
async def test_an_engine_that_hangs_ends_in_a_timeout(stage: str) -> None:
    fakes = FakeEngines()
    gate = getattr(fakes, stage).gate
    gate.shut()
    config = with_changes(Config(), "limits", turn_timeout_seconds=0.2)
    async with connected(fakes, config) as client:
        await client.say(wav())
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.TURN_TIMEOUT
        await client.conversation.finish()
        assert fakes.running == 0
        gate.opened.set()
        await client.say(TextMessage(text="again"))
        await client.next(VoiceResponse)


async def test_interrupted_between_chunks_the_history_holds_what_was_played() -> None:
    fakes = FakeEngines()
    fakes.model.pieces = ["One two three four five six seven eight nine ten. "]
    fakes.speaker.chunks = 10
    async with connected(fakes, response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="count"))
        answer = await client.next(VoiceResponse)
        await client.say(Interrupt(turn_id=answer.turn_id, played_ms=500))
        cut = await client.next(Interrupted)
        assert cut.reason == "client"
        assert cut.heard_text == "One two three four five"
        assert client.history.exchanges[0].assistant == "One two three four five"


async def test_client_that_was_talked_over_corrects_what_was_heard() -> None:
    fakes = FakeEngines()
    fakes.model.pieces = ["One two three four five six seven eight nine ten. "]
    fakes.speaker.chunks = 10
    async with connected(fakes, response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="count"))
        answer = await client.next(VoiceResponse)
        await client.conversation.speech_started(0)
        cut = await client.next(Interrupted)
        [exchange] = client.history.exchanges
        await client.say(Interrupt(turn_id=answer.turn_id, played_ms=700))
        assert (exchange.assistant, exchange.goes_on) == ("One two three four five six seven", False)
        await client.say(Interrupt(turn_id=answer.turn_id, played_ms=0))
        assert (exchange.assistant, exchange.goes_on) == ("", True)
        assert client.all(Interrupted) == [cut], "nobody is told again"


async def test_correction_finds_the_turn_in_progress_while_its_engine_is_slow_to_stop() -> None:
    fakes = FakeEngines()
    fakes.model.pieces = ["One two three four five six seven eight nine ten. "]
    fakes.speaker.chunks = 10
    async with connected(fakes, response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="count"))
        turn_id = (await client.next(AudioChunk)).turn_id
        await client.conversation.speech_started(0)
        await client.say(Interrupt(turn_id=turn_id, played_ms=0))
        [exchange] = client.history.exchanges
        assert (exchange.assistant, exchange.goes_on) == ("", True)


async def test_nothing_follows_interrupted() -> None:
    fakes = FakeEngines()
    async with connected(fakes, response_mode="stream", audio_format="pcm16") as client:
        fakes.speaker.gate.shut()
        await client.say(TextMessage(text="hello"))
        await fakes.speaker.gate.reached.wait()
        await client.say(Interrupt())
        cut = await client.next(Interrupted)
        assert cut.heard_text == ""
        fakes.speaker.gate.opened.set()
        await client.say(TextMessage(text="again"))
        await client.next(VoiceResponse)
        after = client.received[client.received.index(cut) + 1 :]
        assert all(getattr(message, "turn_id", None) != cut.turn_id for message in after)


async def test_interrupting_a_reply_that_was_played_long_ago_does_nothing() -> None:
    fakes = FakeEngines()
    fakes.speaker.chunks, fakes.speaker.chunk = 1, bytes(48)
    async with connected(fakes, response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="hello"))
        await client.next(VoiceResponse)
        while client.conversation.speaking:
            await asyncio.sleep(0.001)
        await client.say(Interrupt())
        assert client.all(Interrupted) == []


async def test_speech_that_fails_midway_is_delivered_up_to_there_and_remembered() -> None:
    fakes = FakeEngines()
    fakes.speaker.fails_on = "Time to eat."
    async with connected(fakes, response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="hello"))
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.SPEECH_FAILED
        assert sum(chunk.size for chunk in client.all(AudioChunk)) == 24 * 2 * 200
        (exchange,) = client.history.exchanges
        assert (exchange.user, exchange.assistant) == ("hello", "It is noon.")
