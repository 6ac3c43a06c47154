"""Streams with turn detection. The audio is the clock: everything is exact to the frame of 32 ms."""

import asyncio
from typing import Any, get_args

import pytest

from simplevoice.config import Config
from simplevoice.conversation import playback
from simplevoice.errors import ErrorCode, ReplyError
from simplevoice.protocol import (
    AudioChunk,
    AudioEnd,
    ErrorMessage,
    Interrupt,
    Interrupted,
    ResetConversation,
    SessionUpdate,
    SpeechEnd,
    SpeechStart,
    TextMessage,
    TurnProcessingStarted,
    VoiceResponse,
)
from simplevoice.stt import Transcript
from tests.fakes.client import FakeClient, with_changes
from tests.races.engines import SPEAKING_STAGES, STAGES, Manner, TroubledEngines, silence, speech
from tests.races.scene import PCM, Clock, converse, play, rest, scene

PLAIN = with_changes(Config(), "turns", early_transcription=False)
"""Without evidence 500 ms of silence, whole frames of it, end a turn."""
FRAME = 32
TENTATIVE = 7 * FRAME
CONFIRMED = 16 * FRAME
UTTERANCE = 30 * FRAME
STARTS = 8 * FRAME
"""The shortest speech that starts a turn."""
VAD: dict[str, Any] = {"turn_detection": "server_vad"}


async def speak(client: FakeClient, ms: int = UTTERANCE, pause: int = CONFIRMED) -> None:
    await play(client, speech(ms), silence(pause))


def spoken_ms(fakes: TroubledEngines, call: int = -1) -> int:
    """How much speech a transcription was asked for."""
    pcm: bytes = fakes.transcriber.received[call].raw_data
    return pcm.count(b"\xe8\x03") // 16


def hears(fakes: TroubledEngines, text: str) -> None:
    fakes.transcriber.transcript = Transcript(text, "en")


async def test_speech_that_resumes_10_ms_before_the_confirmation_goes_on_with_the_turn() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=CONFIRMED - 10)
        await speak(client, UTTERANCE + 10)
        await client.next(VoiceResponse)
        assert len(client.all(SpeechStart)) == len(client.all(SpeechEnd)) == 1
        assert client.all(Interrupted) == []
        assert spoken_ms(fakes) == 2 * UTTERANCE + 10


async def test_speech_that_resumes_10_ms_after_the_confirmation_interrupts_the_turn_and_loses_nothing() -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble("transcriber")
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        await speak(client)
        await client.next(TurnProcessingStarted)
        await play(client, silence(10))
        await speak(client, UTTERANCE + 22)
        assert (await client.next(Interrupted)).reason == "speech"
        assert trouble.cancelled.is_set()
        await client.next(VoiceResponse)
        assert len(client.all(TurnProcessingStarted)) == 2
        assert spoken_ms(fakes) == 2 * UTTERANCE + 22


@pytest.mark.parametrize("stage", STAGES[:-2])
@pytest.mark.parametrize("manner", get_args(Manner))
async def test_speech_that_resumes_before_the_words_end_the_turn_throws_the_work_away(
    stage: str, manner: Manner
) -> None:
    fakes = TroubledEngines()
    hears(fakes, "I would like to")
    trouble = fakes.trouble(stage, manner)
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        resuming = asyncio.create_task(speak(client, pause=TENTATIVE))
        await trouble.cancelled.wait()
        trouble.let_go.set()
        await resuming
        hears(fakes, "are we there yet?")
        await play(client, silence(1200))
        await client.next(VoiceResponse)
        assert len(client.all(TurnProcessingStarted)) == 1
        assert client.all(Interrupted) == []
        assert spoken_ms(fakes) == 2 * UTTERANCE


async def test_words_that_come_a_frame_before_the_speech_resumes_end_the_turn() -> None:
    fakes = TroubledEngines()
    hears(fakes, "are we there yet?")
    trouble = fakes.trouble("transcriber")
    standing = fakes.trouble("model")
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        trouble.go.set()
        await client.next(TurnProcessingStarted)
        await standing.reached.wait()
        hears(fakes, "or not?")
        await speak(client)
        cut = await client.next(Interrupted)
        assert cut.heard_text == ""
        await client.next(VoiceResponse)
        # It was understood, so it is not heard again; and nothing of the answer was, so it is still to be answered.
        assert client.history.exchanges[0].user == "are we there yet?"
        assert spoken_ms(fakes) == UTTERANCE
        assert fakes.model.received[-1][-1].content == "are we there yet? or not?"


async def test_speech_into_an_answer_that_was_heard_is_a_question_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(playback, "time", clock)
    fakes = TroubledEngines()
    trouble = fakes.trouble("speaker of the next piece")
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        await client.say(TextMessage(text="tell me a story"))
        await trouble.reached.wait()
        await client.next(AudioChunk, 2)
        clock.now += 1.0
        hears(fakes, "enough")
        await speak(client)
        assert (await client.next(Interrupted)).heard_text == "It is noon."
        await client.next(VoiceResponse)
        said = [message.content for message in fakes.model.received[-1][-3:]]
        assert said == ["tell me a story", "It is noon.", "enough"]


async def test_what_the_client_interrupted_is_not_asked_again() -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble("model")
    async with scene(fakes) as client:
        await client.say(TextMessage(text="tell me a story"))
        await trouble.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted)
        await converse(client, "what time is it")
        assert fakes.model.received[-1][-1].content == "what time is it"


async def test_what_failed_is_not_asked_again_nor_what_it_went_on_with() -> None:
    fakes = TroubledEngines()
    first = fakes.trouble("model")
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        hears(fakes, "tell me")
        await speak(client)
        await first.reached.wait()
        hears(fakes, "a story")
        failing = fakes.trouble("model", error=ReplyError("told to fail"))
        failing.go.set()
        await speak(client)
        await client.next(ErrorMessage)
        assert fakes.model.received[-1][-1].content == "tell me a story"
        await converse(client, "what time is it")
        assert fakes.model.received[-1][-1].content == "what time is it"


async def test_words_that_come_a_frame_after_the_speech_resumed_do_not() -> None:
    fakes = TroubledEngines()
    hears(fakes, "are we there yet?")
    trouble = fakes.trouble("transcriber")
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        await play(client, speech(FRAME))
        trouble.go.set()
        await rest()
        assert client.all(TurnProcessingStarted) == []
        await speak(client)
        await client.next(VoiceResponse)
        assert len(client.all(TurnProcessingStarted)) == 1
        assert spoken_ms(fakes) == 2 * UTTERANCE + FRAME


@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_a_barge_in_is_told_before_the_engine_lets_go(stage: str, manner: Manner) -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble(stage, manner)
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        await speak(client)
        await trouble.reached.wait()
        if stage in SPEAKING_STAGES:
            await client.next(AudioChunk)
        hears(fakes, "and something else")
        await play(client, speech(STARTS))
        assert (await client.next(Interrupted)).reason == "speech"
        await trouble.cancelled.wait()
        await play(client, speech(UTTERANCE))  # it is listened to all the while
        trouble.let_go.set()
        await play(client, silence(CONFIRMED))
        await client.next(VoiceResponse)


async def test_a_cough_interrupts_nothing() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        trouble = fakes.trouble("speaker later")
        await client.say(TextMessage(text="tell me a story"))
        await trouble.reached.wait()
        await play(client, speech(STARTS - FRAME), silence(CONFIRMED))
        trouble.go.set()
        await client.next(VoiceResponse)
        assert client.all(Interrupted) == []


async def test_two_barge_ins_in_a_row_before_anything_was_understood() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        for barge_in in (1, 2):
            trouble = fakes.trouble("transcriber")
            await speak(client)
            await trouble.reached.wait()
            await play(client, speech(STARTS))
            await client.next(Interrupted, barge_in)
        await speak(client)
        await client.next(VoiceResponse)
        assert spoken_ms(fakes) == 3 * UTTERANCE + 2 * STARTS


async def test_two_barge_ins_in_a_row_into_replies() -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 50
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        for barge_in in (1, 2):
            hears(fakes, f"story number {barge_in}")
            await speak(client)
            answer = await client.next(VoiceResponse, barge_in)
            hears(fakes, f"story number {barge_in + 1}")
            await play(client, speech(STARTS))
            cut = await client.next(Interrupted, barge_in)
            assert cut.turn_id == answer.turn_id
        await play(client, silence(CONFIRMED))
        await client.next(VoiceResponse, 3)


async def test_a_barge_in_while_the_engine_of_the_one_before_does_not_let_go() -> None:
    fakes = TroubledEngines()
    slow = fakes.trouble("transcriber", "slow")
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        await speak(client)
        await slow.reached.wait()
        await play(client, speech(STARTS))
        await client.next(Interrupted)
        await play(client, silence(CONFIRMED))  # a turn that has to wait
        await play(client, speech(STARTS))  # and is interrupted before it began
        await client.next(Interrupted, 2)
        slow.let_go.set()
        await speak(client)
        await client.next(VoiceResponse)
        assert spoken_ms(fakes) == 2 * UTTERANCE + 2 * STARTS


async def test_what_was_never_understood_does_not_grow_for_ever() -> None:
    config = with_changes(PLAIN, "limits", max_audio_seconds=3.0)
    fakes = TroubledEngines()
    async with scene(fakes, config, **VAD) as client:
        await client.say(PCM)
        for barge_in in range(1, 5):
            trouble = fakes.trouble("transcriber")
            await speak(client)
            await trouble.reached.wait()
            await play(client, speech(STARTS))
            await client.next(Interrupted, barge_in)
        await play(client, silence(CONFIRMED))
        await client.next(VoiceResponse)
        assert len(fakes.transcriber.received[-1]) <= 3000


async def test_a_barge_in_silences_the_reply_that_plays_and_the_one_that_is_made() -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 50
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        await converse(client, "tell me a story")
        trouble = fakes.trouble("model")
        await client.say(TextMessage(text="and another one"))
        await trouble.reached.wait()
        await play(client, speech(STARTS))
        await client.next(Interrupted, 2)
        await play(client, silence(CONFIRMED))
        await client.next(VoiceResponse, 2)


async def test_half_duplex_hears_nothing_while_a_reply_plays_and_the_next_is_made() -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 50
    async with scene(fakes, with_changes(PLAIN, "turns", half_duplex=True), **VAD) as client:
        await client.say(PCM)
        await converse(client, "tell me a story")
        trouble = fakes.trouble("model")
        await client.say(TextMessage(text="and another one"))
        await trouble.reached.wait()
        await speak(client)
        assert client.all(SpeechStart) == []
        trouble.go.set()
        await client.next(VoiceResponse, 2)


@pytest.mark.parametrize("change", [SessionUpdate(voice_type="male"), SessionUpdate(instructions="Be brief.")])
async def test_a_turn_that_was_prepared_before_an_update_is_made_anew(change: SessionUpdate) -> None:
    fakes = TroubledEngines()
    hears(fakes, "I would like to")
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        assert len(fakes.transcriber.received) == 1
        await client.say(change)
        await play(client, silence(1200))
        answer = await client.next(VoiceResponse)
        assert answer.voice_type == (change.voice_type or "female")
        assert spoken_ms(fakes) == UTTERANCE
        assert len(client.all(TurnProcessingStarted)) == 1
        if change.instructions:
            assert "Be brief." in fakes.model.received[-1][0].content


async def test_a_turn_that_was_prepared_before_a_reset_knows_nothing_of_what_was_forgotten() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, response_mode="complete", **VAD) as client:
        await converse(client, "my name is Omar")
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await rest()
        assert any("Omar" in message.content for message in fakes.model.received[-1]), "the reply was begun ahead"
        await client.say(ResetConversation())
        await play(client, silence(1200))
        await client.next(VoiceResponse, 2)
        assert not any("Omar" in message.content for message in fakes.model.received[-1])
        assert [exchange.user for exchange in client.history.exchanges] == ["what time is it"]


async def test_an_utterance_too_many_is_told_and_the_stream_goes_on() -> None:
    fakes = TroubledEngines()
    trouble = fakes.trouble("model")
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await play(client, speech(STARTS))  # a turn is on, so that it interrupts none of these
        for text in ("one", "two", "three"):
            await client.say(TextMessage(text=text))
        await trouble.reached.wait()
        await play(client, silence(1200))
        assert (await client.next(ErrorMessage)).error_code is ErrorCode.SERVER_BUSY
        trouble.go.set()
        await client.next(VoiceResponse, 3)
        hears(fakes, "are we there yet?")
        await speak(client)
        await client.next(VoiceResponse, 4)
        assert len(client.all(ErrorMessage)) == 1


@pytest.mark.parametrize("stage", ["transcriber", "model", "speaker"])
async def test_a_stream_that_begins_anew_in_a_pause_drops_what_was_prepared(stage: str) -> None:
    fakes = TroubledEngines()
    hears(fakes, "I would like to")
    trouble = fakes.trouble(stage)
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=TENTATIVE)
        await trouble.reached.wait()
        await client.say(PCM)
        assert trouble.cancelled.is_set()
        await play(client, silence(1200))
        assert client.all(TurnProcessingStarted) == []
        await speak(client, pause=1200)
        await client.next(VoiceResponse)
        assert spoken_ms(fakes) == UTTERANCE


async def test_a_stream_that_begins_anew_leaves_the_turn_alone_but_not_what_was_unheard() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, PLAIN, **VAD) as client:
        await client.say(PCM)
        trouble = fakes.trouble("transcriber")
        await speak(client)
        await trouble.reached.wait()
        await client.say(PCM)
        assert not trouble.cancelled.is_set()
        await play(client, speech(STARTS))
        await client.next(Interrupted)
        await client.say(PCM)
        await speak(client)
        await client.next(VoiceResponse)
        assert spoken_ms(fakes) == UTTERANCE


@pytest.mark.parametrize("pause", [0, TENTATIVE - FRAME, TENTATIVE, CONFIRMED - FRAME, CONFIRMED])
async def test_the_stream_ends_twice(pause: int) -> None:
    fakes = TroubledEngines()
    async with scene(fakes, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=pause)
        await client.say(AudioEnd())
        await client.say(AudioEnd())
        assert (await client.next(ErrorMessage)).error_code is ErrorCode.INVALID_MESSAGE
        await client.next(VoiceResponse)
        assert len(client.all(TurnProcessingStarted)) == 1
        assert spoken_ms(fakes) == UTTERANCE


async def test_a_client_that_leaves_while_it_speaks() -> None:
    fakes = TroubledEngines()
    async with scene(fakes, again=False, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=0)
        await client.connection.close()
        assert fakes.transcriber.received == []


@pytest.mark.parametrize("pause", [TENTATIVE, CONFIRMED])
@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_a_client_that_leaves_in_every_stage_of_a_stream(stage: str, manner: Manner, pause: int) -> None:
    fakes = TroubledEngines()
    hears(fakes, "I would like to")
    trouble = fakes.trouble(stage, manner)
    async with scene(fakes, PLAIN if pause == CONFIRMED else None, again=False, **VAD) as client:
        await client.say(PCM)
        await speak(client, pause=pause)
        await trouble.reached.wait()
        leaving = asyncio.create_task(client.connection.close())
        await rest()
        trouble.let_go.set()
        await leaving
