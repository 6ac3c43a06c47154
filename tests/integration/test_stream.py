"""Live conversations with the real engines: human speech in real time, streamed answers, barge-in."""

import asyncio
import itertools
from collections.abc import Callable
from typing import NamedTuple

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
from simplevoice.speech.stream import StreamDecoder, open_stream
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


class Sound(NamedTuple):
    """A stream: the message that begins it, if any, and pieces of so many ms, about."""

    beginning: AudioStart | None
    pieces: list[bytes]
    ms: int
    decoder: StreamDecoder

    def count(self, ms: int) -> int:
        """How many pieces hold so many ms of sound. Those of a browser hold more where there is less to hear."""
        heard_ms = itertools.accumulate(sum(map(len, self.decoder.feed(piece))) / 32 for piece in self.pieces)
        return next(count for count, heard in enumerate(heard_ms, 1) if heard >= ms)


def as_pcm16(audio: AudioSegment) -> Sound:
    """Frames of 20 ms, at the recording's own rate."""
    size = audio.frame_rate // 50 * 2
    data = audio.raw_data
    beginning = AudioStart(format="pcm16", sample_rate=audio.frame_rate)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return Sound(beginning, pieces, 20, open_stream("pcm16", sample_rate=audio.frame_rate))


def as_webm(audio: AudioSegment) -> Sound:
    """Pieces of 100 ms as a browser makes them, which says nothing before."""
    return Sound(None, media_recorder_chunks(audio, 100), 100, open_stream("webm"))


async def speak_pcm16(client: Client, audio: AudioSegment) -> None:
    """Stream as a microphone does."""
    sound = as_pcm16(audio)
    assert sound.beginning is not None
    await client.say(sound.beginning)
    await in_real_time(client, sound.pieces, sound.ms)


@pytest.mark.parametrize("encode", [as_pcm16, as_webm])
async def test_two_utterances_a_second_apart_are_two_turns(
    daemon: Daemon, listener: Listener, encode: Callable[[AudioSegment], Sound]
) -> None:
    async with daemon.connect(voice_type="male", **LIVE) as client:
        sound = encode(clip(FIRST) + silence(1000) + clip(SECOND) + silence(1500))
        pause = sound.count(len(clip(FIRST)) + 900)
        if sound.beginning is not None:
            await client.say(sound.beginning)
        await in_real_time(client, sound.pieces[:pause], sound.ms)
        # The stream stands still until the first is understood, which takes its time on a busy machine: what is gone
        # on with before that is one utterance.
        await client.next(Transcription)
        await in_real_time(client, sound.pieces[pause:], sound.ms)
        second = await client.next(Transcription, 2)
        [first, _] = client.all(Transcription)
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
        assert client.received[client.received.index(began) + 1] == cut, "at once"
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
