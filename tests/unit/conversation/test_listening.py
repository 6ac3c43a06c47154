"""Streams on real recordings with the real small models; what answers is under the tests' control."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydub import AudioSegment

from simplevoice.config import Config, ModelsConfig
from simplevoice.engines.ears import open_ears
from simplevoice.engines.lent import Ears
from simplevoice.errors import ErrorCode
from simplevoice.models.store import ModelStore
from simplevoice.protocol import (
    AudioEnd,
    AudioStart,
    ErrorMessage,
    Guidance,
    Interrupted,
    SpeechEnd,
    SpeechStart,
    TextMessage,
    Transcription,
    TurnProcessingStarted,
    VadUpdate,
    VoiceResponse,
)
from simplevoice.speech.codec import decode
from tests.fakes.client import FakeClient, connected, with_changes
from tests.fakes.engines import FakeEngines
from tests.media import media_recorder_chunks

pytestmark = pytest.mark.models

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def ears() -> Ears:
    assert ModelStore(ModelsConfig()).present("silero-vad"), "run: simplevoice models pull --for-tests"
    return open_ears(Config())


@pytest.fixture
def fakes(ears: Ears) -> FakeEngines:
    fakes = FakeEngines()
    fakes.ears = ears
    fakes.transcriber.transcript = fakes.transcriber.transcript.__class__("are we there yet?", "en")
    return fakes


def recording(name: str) -> AudioSegment:
    return decode((DATA / name).read_bytes(), max_seconds=60)


def silence(ms: int) -> AudioSegment:
    return AudioSegment.silent(ms, frame_rate=16_000)


def frames(audio: AudioSegment, ms: int = 20) -> Iterator[bytes]:
    data = audio.raw_data
    size = 32 * ms
    return (data[start : start + size] for start in range(0, len(data), size))


async def stream(client: FakeClient, audio: AudioSegment) -> None:
    """Send audio as 20 ms frames, as fast as it is taken, but let what it sets off keep up."""
    for frame in frames(audio):
        await client.say(frame)
        for _ in range(5):
            await asyncio.sleep(0)


STREAMED: dict[str, Any] = {"turn_detection": "server_vad", "response_mode": "stream", "audio_format": "pcm16"}
PCM = AudioStart(format="pcm16", sample_rate=16_000)


async def test_speech_is_found_answered_and_told_in_order(fakes: FakeEngines) -> None:
    async with connected(fakes, **STREAMED) as client:
        await client.say(PCM)
        await stream(client, silence(500) + recording("en-LJ042-0094.wav") + silence(1500))
        answer = await client.next(VoiceResponse)
        told = [kind for kind in client.kinds if kind != "vad_update"]
        assert told[:4] == ["speech_start", "speech_end", "turn_processing_started", "transcription"]
        assert told[-1] == "voice_response"
        assert client.all(SpeechStart)[0].offset_ms == pytest.approx(500, abs=200)
        assert answer.timings.endpoint is not None
        assert answer.timings.endpoint <= 1200
        (heard,) = {len(audio) for audio in fakes.transcriber.received[-1:]}
        assert heard == pytest.approx(len(recording("en-LJ042-0094.wav")), abs=700)
        assert client.conversation.state in ("listening", "speaking")


async def test_noise_and_silence_start_no_turn(fakes: FakeEngines) -> None:
    async with connected(fakes, **STREAMED) as client:
        await client.say(PCM)
        await stream(client, recording("noise-washing-machine.wav") + silence(3000))
        assert client.all(SpeechStart) == []
        assert fakes.transcriber.received == []
        assert len(client.all(VadUpdate)) > 0


async def test_a_browsers_pieces_without_audio_start(fakes: FakeEngines) -> None:
    async with connected(fakes, **STREAMED) as client:
        audio = recording("en-LJ011-0202.wav").set_frame_rate(48_000) + AudioSegment.silent(1500, frame_rate=48_000)
        for piece in media_recorder_chunks(audio):
            await client.say(piece)
            await asyncio.sleep(0.002)
        await client.next(VoiceResponse)
        for piece in media_recorder_chunks(audio):  # and a second stream on the same connection
            await client.say(piece)
            await asyncio.sleep(0.002)
        await client.next(VoiceResponse, 2)
        assert client.all(ErrorMessage) == []


async def test_speech_during_a_reply_interrupts_it(fakes: FakeEngines) -> None:
    fakes.speaker.chunks = 100
    async with connected(fakes, **STREAMED) as client:
        await client.say(TextMessage(text="tell me a story"))
        first = await client.next(VoiceResponse)
        await client.say(PCM)
        await stream(client, recording("en-LJ042-0094.wav") + silence(1500))
        cut = await client.next(Interrupted)
        assert (cut.turn_id, cut.reason) == (first.turn_id, "speech")
        after = client.received[client.received.index(cut) + 1 :]
        assert all(getattr(message, "turn_id", None) != first.turn_id for message in after)
        await client.next(VoiceResponse, 2)
        assert client.history.exchanges[0].assistant == cut.heard_text
        assert len(cut.heard_text) < len(first.response_text)


async def test_half_duplex_does_not_hear_itself(fakes: FakeEngines) -> None:
    fakes.speaker.chunks = 100
    config = with_changes(Config(), "turns", half_duplex=True)
    async with connected(fakes, config, **STREAMED) as client:
        await client.say(TextMessage(text="tell me a story"))
        await client.next(VoiceResponse)
        await client.say(PCM)
        await stream(client, recording("en-LJ042-0094.wav") + silence(500))
        assert client.all(SpeechStart) == []
        assert client.all(Interrupted) == []


async def test_work_ahead_is_thrown_away_when_the_person_goes_on(fakes: FakeEngines) -> None:
    fakes.transcriber.gate.shut()
    async with connected(fakes, **STREAMED) as client:
        await client.say(PCM)
        clip = recording("en-LJ042-0094.wav")
        await stream(client, clip + silence(350))
        await fakes.transcriber.gate.reached.wait()
        await stream(client, clip)
        assert fakes.transcriber.running == 0
        fakes.transcriber.gate.opened.set()
        await stream(client, silence(1500))
        await client.next(VoiceResponse)
        assert len(client.all(TurnProcessingStarted)) == 1
        assert len(client.all(Transcription)) == 1
        assert len(fakes.transcriber.received[-1]) > 1.8 * len(clip)


async def test_speech_that_resumes_behind_an_unheard_turn_keeps_its_beginning(fakes: FakeEngines) -> None:
    fakes.transcriber.gate.shut()
    async with connected(fakes, **STREAMED) as client:
        await client.say(PCM)
        clip = recording("en-LJ042-0094.wav")
        await stream(client, clip + silence(1500))
        await client.next(TurnProcessingStarted)
        await stream(client, clip)
        assert (await client.next(Interrupted)).heard_text == ""
        fakes.transcriber.gate.opened.set()
        await stream(client, silence(1500))
        await client.next(VoiceResponse)
        assert len(fakes.transcriber.received[-1]) > 1.8 * len(clip)


@pytest.mark.parametrize("setting", ["early_transcription", "early_reply", "early_speech", "smart_turn"])
async def test_each_step_ahead_can_be_turned_off(fakes: FakeEngines, setting: str) -> None:
    config = with_changes(Config(), "turns", **{setting: False})
    async with connected(fakes, config, **STREAMED) as client:
        await client.say(PCM)
        await stream(client, recording("en-LJ042-0094.wav") + silence(1500))
        await client.next(VoiceResponse)


async def test_without_an_early_reply_the_model_is_asked_behind_the_end(fakes: FakeEngines) -> None:
    fakes.transcriber.transcript = fakes.transcriber.transcript.__class__("the uncle claimed and", "en")
    config = with_changes(Config(), "turns", early_reply=False)
    async with connected(fakes, config, **STREAMED) as client:
        await client.say(PCM)
        await stream(client, recording("en-LJ042-0094.wav") + silence(400))
        assert fakes.transcriber.received
        assert fakes.model.received == []
        await stream(client, silence(1500))
        await client.next(VoiceResponse)


async def test_push_to_talk(fakes: FakeEngines) -> None:
    async with connected(fakes) as client:
        for _ in range(2):
            await client.say(AudioStart(format="pcm16", sample_rate=16_000))
            for frame in frames(recording("en-LJ042-0094.wav")):
                await client.say(frame)
            await client.say(AudioEnd())
        answer = await client.next(VoiceResponse, 2)
        assert answer.timings.endpoint is None
        assert client.all(SpeechEnd) == []


async def test_push_to_talk_of_nothing_gets_guidance_or_an_error(fakes: FakeEngines) -> None:
    async with connected(fakes) as client:
        await client.say(PCM)
        await client.say(AudioEnd())
        assert (await client.next(ErrorMessage)).error_code is ErrorCode.EMPTY_AUDIO
        await client.say(PCM)
        await client.say(silence(1000).raw_data)
        await client.say(AudioEnd())
        assert (await client.next(Guidance)).reason == "no_speech"


async def test_push_to_talk_is_bounded(fakes: FakeEngines) -> None:
    config = with_changes(Config(), "limits", max_audio_seconds=1.0)
    async with connected(fakes, config) as client:
        await client.say(PCM)
        for _ in range(5):
            await client.say(silence(500).raw_data)
        told = await client.next(ErrorMessage)
        assert told.error_code is ErrorCode.AUDIO_TOO_LONG
        assert len(client.all(ErrorMessage)) == 1


async def test_a_broken_stream_is_told_once(fakes: FakeEngines) -> None:
    async with connected(fakes, **STREAMED) as client:
        await client.say(AudioStart(format="webm"))
        for _ in range(5):
            await client.say(b"this is no webm at all" * 10)
        await client.next(ErrorMessage)
        assert len(client.all(ErrorMessage)) == 1
        await client.say(PCM)
        await stream(client, recording("en-LJ042-0094.wav") + silence(1500))
        await client.next(VoiceResponse)


async def test_sound_without_a_stream_is_told_once(fakes: FakeEngines) -> None:
    async with connected(fakes, **STREAMED) as client:
        for _ in range(5):
            await client.say(b"\x00\x01" * 320)
        told = await client.next(ErrorMessage)
        assert told.details == {"field": "type", "allowed": ["audio_start"]}
        assert len(client.all(ErrorMessage)) == 1


async def test_ending_a_stream_that_is_none(fakes: FakeEngines) -> None:
    async with connected(fakes) as client:
        await client.say(AudioEnd())
        assert (await client.next(ErrorMessage)).error_code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("stage", ["transcriber", "model", "speaker"])
async def test_a_client_that_leaves_while_work_is_done_ahead_leaves_nothing(fakes: FakeEngines, stage: str) -> None:
    gate = getattr(fakes, stage).gate
    gate.shut()
    async with connected(fakes, **STREAMED) as client:
        await client.say(PCM)
        await stream(client, recording("en-LJ042-0094.wav") + silence(300))
        if stage == "transcriber":
            await gate.reached.wait()
    assert fakes.running == 0
