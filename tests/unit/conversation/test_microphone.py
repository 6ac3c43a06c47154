from typing import Any

import pytest
from pydub import AudioSegment

from simplevoice.config import Config
from simplevoice.conversation.listening import PreparedTurn
from simplevoice.conversation.microphone import Microphone
from simplevoice.errors import AudioError, ClientError, ErrorCode
from simplevoice.protocol import AudioStart
from simplevoice.speech.turn_detector import Activity
from simplevoice.types import Language
from tests.fakes.client import with_changes
from tests.fakes.engines import FakeEngines

PCM = AudioStart(format="pcm16", sample_rate=16_000)
SECOND = bytes(32_000)


class Taker:
    """Keeps the utterances that a stream gives."""

    language: Language = "en"
    speaking = False

    def __init__(self) -> None:
        self.taken: list[AudioSegment] = []
        self.dropped = 0
        self.audio_ms = 0

    def sent(self, audio_ms: int) -> None:
        self.audio_ms += audio_ms

    def stream_dropped(self) -> None:
        self.dropped += 1

    async def speech_started(self, offset_ms: int) -> None:
        raise AssertionError("nobody speaks")

    async def speech_ended(self, offset_ms: int) -> None:
        raise AssertionError("nobody speaks")

    async def vad_changed(self, activity: Activity) -> None:
        raise AssertionError("nothing is detected")

    def prepare(self, audio: AudioSegment, silence_ms: int) -> PreparedTurn | None:
        raise AssertionError("nothing is detected")

    async def take(
        self, audio: AudioSegment, prepared: PreparedTurn | None, silence_ms: int, *, verified: bool
    ) -> None:
        assert not verified
        self.taken.append(audio)


def microphone(taker: Taker, **limits: Any) -> Microphone:
    return Microphone(taker, "none", FakeEngines(), with_changes(Config(), "limits", **limits))


async def test_what_belongs_to_no_stream_is_a_whole_utterance() -> None:
    assert await microphone(Taker()).take(SECOND) is False


async def test_push_to_talk_gives_what_came_between() -> None:
    taker = Taker()
    mic = microphone(taker)
    await mic.start(PCM)
    assert await mic.take(SECOND)
    assert await mic.take(SECOND)
    await mic.end()
    assert not mic.on
    assert [len(audio) for audio in taker.taken] == [2000]
    assert taker.audio_ms == 2000
    assert await mic.take(SECOND) is False


async def test_what_follows_a_failure_is_passed_over_until_the_stream_ends() -> None:
    taker = Taker()
    mic = microphone(taker, max_audio_seconds=1.5)
    await mic.start(PCM)
    await mic.take(SECOND)
    with pytest.raises(AudioError) as failure:
        await mic.take(SECOND)
    assert failure.value.code is ErrorCode.AUDIO_TOO_LONG
    assert await mic.take(SECOND) is True
    assert not mic.on
    await mic.end()
    assert taker.taken == []
    assert await mic.take(SECOND) is False


async def test_a_new_stream_drops_the_one_that_is_on() -> None:
    taker = Taker()
    mic = microphone(taker)
    await mic.start(PCM)
    await mic.take(SECOND)
    await mic.start(PCM)
    await mic.take(SECOND)
    await mic.end()
    assert [len(audio) for audio in taker.taken] == [1000]
    assert taker.dropped == 2


async def test_a_message_over_the_bound_is_refused_and_ends_no_stream() -> None:
    taker = Taker()
    mic = microphone(taker, max_audio_bytes=1024)
    await mic.start(PCM)
    with pytest.raises(AudioError) as failure:
        await mic.take(bytes(1025))
    assert failure.value.details == {"max_bytes": 1024}
    assert mic.on


async def test_ending_what_was_not_begun() -> None:
    with pytest.raises(ClientError) as failure:
        await microphone(Taker()).end()
    assert failure.value.details == {"field": "type", "allowed": ["audio_start"]}
