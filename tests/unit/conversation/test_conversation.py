import gc
import json
import weakref
from typing import TypeVar

import pytest
from pydub import AudioSegment

from simplevoice.errors import ErrorCode, TranscriptionError
from simplevoice.protocol import (
    AudioEnd,
    AudioMessage,
    AudioStart,
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
from tests.fakes.client import connected
from tests.fakes.engines import FakeEngines
from tests.unit.conversation.test_pipeline import wav

T = TypeVar("T")


async def test_ping_is_answered_at_once_while_a_turn_runs() -> None:
    fakes = FakeEngines()
    fakes.model.gate.shut()
    async with connected(fakes) as client:
        await client.say(TextMessage(text="hello"))
        await fakes.model.gate.reached.wait()
        await client.say(Ping())
        await client.next(Pong)
        assert client.all(VoiceResponse) == []
        assert client.conversation.state == "thinking"
        fakes.model.gate.opened.set()
        await client.next(VoiceResponse)


async def test_turns_run_one_after_the_other_and_the_third_that_waits_is_too_many() -> None:
    fakes = FakeEngines()
    fakes.model.gate.shut()
    async with connected(fakes) as client:
        for text in ("one", "two", "three", "four"):
            await client.say(TextMessage(text=text))
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.SERVER_BUSY
        await client.next(ProcessingStarted)
        assert len(client.all(ProcessingStarted)) == 1
        fakes.model.gate.opened.set()
        await client.next(VoiceResponse, 3)
        assert [answer.transcription for answer in client.all(VoiceResponse)] == ["one", "two", "three"]
        assert [answer.message_count for answer in client.all(VoiceResponse)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", ErrorCode.INVALID_JSON),
        ('{"type":"dance"}', ErrorCode.UNKNOWN_MESSAGE_TYPE),
        ('{"type":"text_message"}', ErrorCode.INVALID_MESSAGE),
    ],
)
async def test_what_is_wrong_is_answered_and_stops_no_turn(text: str, code: ErrorCode) -> None:
    fakes = FakeEngines()
    fakes.model.gate.shut()
    async with connected(fakes) as client:
        await client.say(TextMessage(text="hello"))
        await fakes.model.gate.reached.wait()
        await client.say(text)
        told = await client.next(ErrorMessage)
        assert told.error_code is code
        assert not told.retry_suggested
        fakes.model.gate.opened.set()
        await client.next(VoiceResponse)


async def test_audio_is_told_by_its_bytes() -> None:
    async with connected(FakeEngines()) as client:
        await client.say(AudioMessage(audio_data=wav(), format="mp3"))
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.AUDIO_FORMAT_MISMATCH
        assert told.details == {"declared": "mp3", "found": "wav"}
        await client.say(b"not audio at all, whatever it may be")
        told = await client.next(ErrorMessage, 2)
        assert told.error_code is ErrorCode.UNSUPPORTED_AUDIO_FORMAT


async def test_an_oversized_binary_message_is_refused() -> None:
    async with connected(FakeEngines()) as client:
        await client.say(bytes(10 * 2**20 + 1))
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.AUDIO_TOO_LARGE
        assert told.details == {"max_bytes": 10 * 2**20}


async def test_an_update_holds_from_the_next_turn_on_and_a_message_may_name_its_language() -> None:
    fakes = FakeEngines()
    async with connected(fakes) as client:
        await client.say(SessionUpdate(voice_type="male", rate="+10%", instructions="Speak like a pirate."))
        await client.say(TextMessage(text="hello"))
        await client.next(VoiceResponse)
        assert fakes.speaker.received[-1][1].voice_type == "male"
        assert fakes.speaker.received[-1][1].rate == "+10%"
        assert "pirate" in fakes.model.received[-1][0].content
        await client.say(TextMessage(text="مرحبا", language="ar"))
        assert (await client.next(VoiceResponse, 2)).language == "ar"
        await client.say(SessionUpdate(instructions=None, language="ar"))
        await client.say(TextMessage(text="مرحبا"))
        assert (await client.next(VoiceResponse, 3)).language == "ar"
        assert "pirate" not in fakes.model.received[-1][0].content
        assert client.connection.snapshot().language == "ar"


async def test_the_third_turn_knows_the_first_until_the_history_is_forgotten() -> None:
    fakes = FakeEngines()
    async with connected(fakes) as client:
        for n, text in enumerate(("my name is Omar", "how are you", "what is my name")):
            await client.say(TextMessage(text=text))
            await client.next(VoiceResponse, n + 1)
        assert "my name is Omar" in json.dumps([m.content for m in fakes.model.received[-1]])
        await client.say(ResetConversation())
        await client.say(TextMessage(text="what is my name"))
        await client.next(VoiceResponse, 4)
        assert "Omar" not in json.dumps([m.content for m in fakes.model.received[-1]])


@pytest.mark.parametrize("stage", ["transcriber", "model", "speaker"])
async def test_stopping_in_every_stage_leaves_nothing(stage: str) -> None:
    fakes = FakeEngines()
    gate = getattr(fakes, stage).gate
    gate.shut()
    async with connected(fakes) as client:
        await client.say(wav())
        await client.say(wav())
        await gate.reached.wait()
        await client.conversation.stop()
        assert fakes.running == 0
        assert client.conversation.state == "idle"


async def test_a_client_that_is_replaced_during_a_turn_is_told() -> None:
    fakes = FakeEngines()
    fakes.model.gate.shut()
    async with connected(fakes) as client:
        await client.say(TextMessage(text="hello"))
        await fakes.model.gate.reached.wait()
        await client.connection.close(1008, "replaced")
        assert client.all(Interrupted)[0].reason == "replaced"
        assert client.closed == (1008, b"replaced")
        assert client.history.exchanges[0].user == "hello"


async def test_the_operators_instructions_hold_until_the_client_gives_its_own() -> None:
    fakes = FakeEngines()
    fakes.instructions = "You are a librarian."
    async with connected(fakes) as client:
        for n, update in enumerate(
            (SessionUpdate(), SessionUpdate(instructions="A pirate."), SessionUpdate(instructions=None))
        ):
            await client.say(update)
            await client.say(TextMessage(text="hello"))
            await client.next(VoiceResponse, n + 1)
        prompts = [messages[0].content for messages in fakes.model.received]
        assert ["librarian" in prompt for prompt in prompts] == [True, False, True]
        assert "pirate" in prompts[1]


def alive(kind: type[T]) -> list[T]:
    """Every object of a kind."""
    return [thing for thing in gc.get_objects() if isinstance(thing, kind)]


@pytest.mark.parametrize("fails", [False, True])
async def test_behind_a_turn_no_sound_is_kept_neither_the_users_nor_the_replys(fails: bool) -> None:
    fakes = FakeEngines()
    fakes.transcriber.error = TranscriptionError("told to fail") if fails else None
    fakes.transcriber.gate.shut()
    before = alive(AudioSegment)  # of other tests
    async with connected(fakes) as client:
        await client.say(AudioStart(format="pcm16", sample_rate=16_000))
        await client.say(bytes(32_000))
        await client.say(AudioEnd())
        await fakes.transcriber.gate.reached.wait()
        said = [weakref.ref(sound) for sound in alive(AudioSegment) if not any(sound is other for other in before)]
        telling = client.conversation._turns._turns[0]._telling
        assert said
        fakes.transcriber.received.clear()
        fakes.transcriber.gate.opened.set()
        await client.next(ErrorMessage if fails else VoiceResponse)
        await client.conversation.finish()
        fakes.transcriber.error = None
        gc.collect()
        assert [sound for sound in said if sound() is not None] == []
        assert not telling.audio
