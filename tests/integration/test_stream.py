"""Live conversations with the real engines: human speech in real time, streamed answers, barge-in."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydub import AudioSegment

from simplevoice.protocol import (
    AudioChunk,
    AudioEnd,
    AudioStart,
    ErrorMessage,
    Guidance,
    Interrupted,
    ResponseText,
    SpeechEnd,
    SpeechStart,
    TextMessage,
    Transcription,
    TurnProcessingStarted,
    VoiceResponse,
)
from tests.integration.daemon import Client, Daemon
from tests.integration.listener import SAID, UNDERSTOOD, Listener, decode_reply, share_of_words, words
from tests.media import media_recorder_chunks, recording

pytestmark = [pytest.mark.models, pytest.mark.timeout(90)]

LIVE = {"turn_detection": "server_vad", "response_mode": "stream", "audio_format": "pcm16"}
CLIPS = ("en-LJ001-0012", "en-LJ006-0114", "en-LJ011-0202", "en-LJ042-0094")
FIRST, SECOND = "en-LJ006-0114", "en-LJ042-0094"
LONGEST_WAIT_MS = 1200
CHUNK_BYTES = 4800
"""100 ms of pcm16."""
STORY = TextMessage(text="Tell me a very long story about a dragon, with all its adventures.")


def clip(name: str) -> AudioSegment:
    return recording(f"{name}.wav")


def silence(ms: int) -> AudioSegment:
    return AudioSegment.silent(ms, frame_rate=22_050)


async def in_real_time(client: Client, pieces: list[bytes], ms: int) -> None:
    """Send pieces as a microphone gives them: each when its last sample is there."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for count, piece in enumerate(pieces, 1):
        await asyncio.sleep(start + count * ms / 1000 - loop.time())
        await client.say(piece)


async def speak_pcm16(client: Client, audio: AudioSegment) -> None:
    """Stream 20 ms frames, at the recording's own rate."""
    await client.say(AudioStart(format="pcm16", sample_rate=audio.frame_rate))
    size = audio.frame_rate // 50 * 2
    data = audio.raw_data
    await in_real_time(client, [data[at : at + size] for at in range(0, len(data), size)], 20)


async def speak_webm(client: Client, audio: AudioSegment) -> None:
    """Stream 100 ms pieces as a browser does, which says nothing before."""
    await in_real_time(client, media_recorder_chunks(audio, 100), 100)


Speak = Callable[[Client, AudioSegment], Awaitable[None]]


@pytest.mark.parametrize("speak", [speak_pcm16, speak_webm])
async def test_two_utterances_a_second_apart_are_two_turns(daemon: Daemon, listener: Listener, speak: Speak) -> None:
    async with daemon.connect(voice_type="male", **LIVE) as client:
        await speak(client, clip(FIRST) + silence(1000) + clip(SECOND) + silence(1500))
        await client.until(lambda: len(client.all(Transcription)) == 2)
        first, second = client.all(Transcription)
        await client.until(lambda: bool(client.of_turn(second.turn_id, VoiceResponse)))
        assert [words(said.text) for said in (first, second)] == [words(SAID[FIRST]), words(SAID[SECOND])]
        for kind in (SpeechStart, SpeechEnd, TurnProcessingStarted):
            assert len(client.all(kind)) == 2
        assert client.all(ErrorMessage) + client.all(Guidance) == []
        # The second utterance begins while the answer to the first is spoken: that is a barge-in.
        assert [(cut.turn_id, cut.reason) for cut in client.all(Interrupted)] == [(first.turn_id, "speech")]
        _check_silent_after(client, client.all(Interrupted)[0])
        [answer] = client.of_turn(second.turn_id, VoiceResponse)
        _check_wait(answer)
        spoken = _joined(client, answer)
    heard = listener.hear(spoken, "en")
    assert share_of_words(answer.response_text, heard) >= UNDERSTOOD, (answer.response_text, heard)


@pytest.mark.parametrize("name", CLIPS)
async def test_a_clip_stays_one_turn_and_does_not_wait_long(daemon: Daemon, name: str) -> None:
    async with daemon.connect(**LIVE) as client:
        await speak_pcm16(client, clip(name) + silence(1500))
        answer = await client.next(VoiceResponse)
        assert words(answer.transcription) == words(SAID[name])
        _check_wait(answer)
        for kind in (SpeechStart, SpeechEnd, TurnProcessingStarted, Transcription):
            assert len(client.all(kind)) == 1
        assert client.all(Interrupted) == []
        told = [piece.text for piece in client.of_turn(answer.turn_id, ResponseText)]
        assert " ".join(told) == answer.response_text
        _joined(client, answer)


@pytest.mark.parametrize("transport", ["base64", "binary"])
async def test_speaking_over_a_long_reply_ends_it(daemon: Daemon, transport: str) -> None:
    async with daemon.connect(audio_transport=transport, **LIVE) as client:
        await client.say(STORY)
        story = await client.next(AudioChunk)
        speaking = asyncio.create_task(speak_pcm16(client, clip(SECOND) + silence(1500)))
        cut = await client.next(Interrupted)
        assert not speaking.done(), "it stops while the person speaks"
        assert (cut.turn_id, cut.reason) == (story.turn_id, "speech")
        [began] = client.all(SpeechStart)
        assert cut.timestamp - began.timestamp < 0.1
        await speaking
        answer = await client.next(VoiceResponse, 1 + len(client.of_turn(story.turn_id, VoiceResponse)))
        assert words(answer.transcription) == words(SAID[SECOND])
        _joined(client, answer)
        _check_silent_after(client, cut)
        told = " ".join(piece.text for piece in client.of_turn(story.turn_id, ResponseText))
        assert told.startswith(cut.heard_text)
        assert 0 < len(cut.heard_text) < len(told)


async def test_push_to_talk(daemon: Daemon) -> None:
    async with daemon.connect(response_mode="stream", audio_format="mp3", audio_transport="binary") as client:
        for name in (SECOND, "en-LJ011-0202"):
            await speak_pcm16(client, clip(name))
            answer = await client.ask(AudioEnd(), VoiceResponse)
            assert words(answer.transcription) == words(SAID[name])
            assert answer.timings.endpoint is None
        assert len(decode_reply(client.sound(answer.turn_id), "mp3")) == pytest.approx(answer.duration_ms, rel=0.1)
        assert client.all(SpeechStart) == []


async def test_noise_in_a_stream_is_no_turn(daemon: Daemon) -> None:
    async with daemon.connect(**LIVE) as client:
        await speak_pcm16(client, clip("noise-washing-machine")[:4000])
        answer = await client.ask(TextMessage(text="What is the capital of France?"), VoiceResponse)
        assert "Paris" in answer.response_text
        assert client.all(SpeechStart) == []


def _joined(client: Client, answer: VoiceResponse) -> AudioSegment:
    """Join the chunks of a reply: none is missing or longer than 100 ms, and all are as long as announced."""
    data = client.sound(answer.turn_id)
    assert max(chunk.size for chunk in client.of_turn(answer.turn_id, AudioChunk)) <= CHUNK_BYTES
    spoken = decode_reply(data, "pcm16")
    assert len(spoken) == pytest.approx(answer.duration_ms, abs=2)
    return spoken


def _check_wait(answer: VoiceResponse) -> None:
    assert answer.timings.endpoint is not None
    assert answer.timings.endpoint <= LONGEST_WAIT_MS


def _check_silent_after(client: Client, cut: Interrupted) -> None:
    """Nothing of a turn follows its interruption."""
    behind = client.received[client.received.index(cut) + 1 :]
    assert [message for message in behind if getattr(message, "turn_id", None) == cut.turn_id] == []
