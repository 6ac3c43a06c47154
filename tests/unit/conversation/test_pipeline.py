import asyncio
import struct
import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import get_args

import pytest
from pydub import AudioSegment

from simplevoice.config import LimitsConfig
from simplevoice.conversation.pipeline import (
    PCM_CHUNK_BYTES,
    Audio,
    Decoded,
    Event,
    Finished,
    Heard,
    NotHeard,
    Piece,
    Pipeline,
    TurnRequest,
)
from simplevoice.conversation.utterance import Recording, Speech, Typed, Utterance
from simplevoice.errors import ReplyError, SpeechError, TranscriptionError
from simplevoice.history import History
from simplevoice.speech.codec import decode
from simplevoice.stt import Transcript
from simplevoice.tts import SpeechChunk, Voice
from simplevoice.types import AudioFormat
from tests.fakes.clock import VirtualTimeLoop
from tests.fakes.engines import FakeEngines


def wav(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A recording of nothing."""
    data = bytes(2 * int(rate * seconds))
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", len(data))  # fmt: skip  # noqa: E501
    return header + data


def request(utterance: Utterance, audio_format: AudioFormat = "pcm16", streaming: bool = True) -> TurnRequest:
    return TurnRequest(utterance=utterance, voice=Voice("en", "female"), audio_format=audio_format, streaming=streaming)


class Run:
    """A pipeline with fake engines, and the events that came of it."""

    def __init__(self, fakes: FakeEngines, turn: TurnRequest, history: History | None = None) -> None:
        self.events: list[Event] = []
        self.pipeline = Pipeline(turn, history or History(5), fakes, LimitsConfig(), self.emit)

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


async def test_a_recording_becomes_transcript_reply_and_speech() -> None:
    fakes = FakeEngines()
    run = Run(fakes, request(Recording(wav())))
    await run.pipeline.run()
    assert run.events[:2] == [Decoded(1000), Heard("what time is it")]
    assert run.of(Piece) == [Piece(0, "It is noon."), Piece(1, "Time to eat.")]
    assert run.events[-1] == Finished("It is noon. Time to eat.", ("fake",), 400)
    assert [text for text, _ in fakes.speaker.received] == ["It is noon.", "Time to eat."]
    assert fakes.model.received[0][-1].content == "what time is it"
    assert fakes.running == 0


async def test_the_voice_is_told_at_the_beginning_that_there_will_be_a_reply() -> None:
    fakes = FakeEngines()
    fakes.transcriber.gate.shut()
    running = asyncio.create_task(Run(fakes, request(Recording(wav()))).pipeline.run())
    await fakes.transcriber.gate.reached.wait()
    assert fakes.speaker.expected == 1
    fakes.transcriber.gate.opened.set()
    await running


async def test_streamed_samples_leave_in_chunks_of_at_most_100_ms_in_the_order_of_their_pieces() -> None:
    fakes = FakeEngines()
    fakes.speaker.chunk *= 3
    run = Run(fakes, request(Typed("hello")))
    await run.pipeline.run()
    chunks = [event for event in run.events if isinstance(event, Audio)]
    assert max(len(chunk.data) for chunk in chunks) <= PCM_CHUNK_BYTES
    assert [chunk.piece for chunk in chunks] == sorted(chunk.piece for chunk in chunks)
    assert sum(chunk.duration_ms for chunk in chunks) == pytest.approx(1200, abs=2)
    assert len(b"".join(chunk.data for chunk in chunks)) == 24 * 2 * 1200


async def test_history_and_typed_text_reach_the_model() -> None:
    fakes = FakeEngines()
    history = History(5)
    history.add("my name is Omar", "hello Omar")
    await Run(fakes, request(Typed("what is my name")), history).pipeline.run()
    contents = [message.content for message in fakes.model.received[0]]
    assert contents[-3:] == ["my name is Omar", "hello Omar", "what is my name"]
    assert fakes.transcriber.received == []


async def test_silence_never_reaches_the_recognizer() -> None:
    fakes = FakeEngines()
    fakes.voice_activity.speaks = False
    run = Run(fakes, request(Recording(wav())))
    await run.pipeline.run()
    assert run.events == [Decoded(1000), NotHeard("no_speech", "")]
    assert fakes.transcriber.received == []


async def test_a_doubtful_transcript_is_not_answered() -> None:
    fakes = FakeEngines()
    fakes.transcriber.transcript = Transcript("", "en")
    run = Run(fakes, request(Recording(wav())))
    await run.pipeline.run()
    _, event = run.events
    assert isinstance(event, NotHeard)
    assert fakes.model.received == []


async def test_speech_that_was_found_already_goes_straight_to_the_recognizer() -> None:
    fakes = FakeEngines()
    fakes.voice_activity.speaks = False

    audio = AudioSegment(bytes(3200), sample_width=2, frame_rate=16_000, channels=1)
    run = Run(fakes, request(Speech(audio, verified=True)))
    await run.pipeline.run()
    assert fakes.transcriber.received == [audio]
    assert run.pipeline.progress.decode is None


@pytest.mark.parametrize("stage", ["transcriber", "model", "speaker"])
async def test_an_engines_failure_is_the_turns_failure(stage: str) -> None:
    errors = {"transcriber": TranscriptionError("x"), "model": ReplyError("x"), "speaker": SpeechError("x")}
    fakes = FakeEngines()
    getattr(fakes, stage).error = errors[stage]
    with pytest.raises(type(errors[stage])):
        await Run(fakes, request(Recording(wav()))).pipeline.run()
    assert fakes.running == 0


async def test_a_model_that_says_nothing_has_failed() -> None:
    fakes = FakeEngines()
    fakes.model.pieces = ["**", "<think>hm</think>"]
    with pytest.raises(ReplyError):
        await Run(fakes, request(Typed("hello"))).pipeline.run()


async def test_a_speaker_that_gives_nothing_has_failed() -> None:
    fakes = FakeEngines()
    fakes.speaker.chunks = 0
    with pytest.raises(SpeechError):
        await Run(fakes, request(Typed("hello"))).pipeline.run()


@pytest.mark.parametrize("stage", ["transcriber", "model", "speaker"])
async def test_cancelling_ends_every_stage_before_it_returns(stage: str) -> None:
    fakes = FakeEngines()
    gate = getattr(fakes, stage).gate
    gate.shut()
    task = asyncio.create_task(Run(fakes, request(Recording(wav()))).pipeline.run())
    await gate.reached.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert fakes.running == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_first_piece_is_spoken_while_the_model_still_writes() -> None:
    fakes = FakeEngines()
    fakes.model.pieces = ["It is noon. ", "Time ", "to eat. "]
    run = Run(fakes, request(Typed("hello")))
    real_emit = run.emit

    async def shut_behind_the_first_piece(event: Event) -> None:
        if isinstance(event, Piece) and event.index == 0:
            fakes.model.gate.shut()
        if isinstance(event, Audio):
            fakes.model.gate.opened.set()  # only sound lets the model go on
        await real_emit(event)

    run.pipeline._emit = shut_behind_the_first_piece
    await run.pipeline.run()
    assert isinstance(run.events[-1], Finished)


async def test_the_next_piece_is_synthesized_while_the_one_before_is_delivered() -> None:
    fakes = FakeEngines()
    run = Run(fakes, request(Typed("hello")))
    delivering, go_on = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> None:
        if isinstance(event, Audio):
            delivering.set()
            await go_on.wait()

    run.pipeline._emit = slow
    task = asyncio.create_task(run.pipeline.run())
    await delivering.wait()
    while len(fakes.speaker.received) < 2:
        await asyncio.sleep(0)
    go_on.set()
    await task


class PacedEngines(FakeEngines):
    """A model that needs ``writing`` seconds for a sentence, and a voice that needs ``breath`` before each piece.

    The voice then gives so many seconds of sound at once.
    """

    def __init__(self, sentences: dict[str, float], *, writing: float, breath: float) -> None:
        super().__init__()
        self.model.pieces = [f"{sentence} " for sentence in sentences]
        self.model.work = partial(asyncio.sleep, writing)  # type: ignore[method-assign]
        self.speaker.synthesize = self._synthesize  # type: ignore[method-assign]
        self._sentences = sentences
        self._breath = breath

    async def _synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        await asyncio.sleep(self._breath)
        yield SpeechChunk(bytes(round(self._sentences[text] * 48_000)), "pcm16", 24_000, "paced")


class Player:
    """Plays sound as it comes; ``waits`` are the seconds until the first of it, and from there to each that is late."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._played_until = 0.0

    async def take(self, event: Event) -> None:
        if isinstance(event, Audio) and event.data:
            now = asyncio.get_running_loop().time()
            if now > self._played_until:
                self.waits.append(now - self._played_until)
            self._played_until = max(now, self._played_until) + event.duration_ms / 1000


def test_while_one_piece_is_played_the_next_is_made_so_that_nobody_waits_for_it() -> None:
    player = Player()
    fakes = PacedEngines({"Yes.": 0.5, "It is noon.": 1.0, "Time to eat.": 1.2}, writing=0.2, breath=0.65)
    run = Run(fakes, request(Typed("hello")))
    run.pipeline._emit = player.take
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run.pipeline.run())
    # The first sentence is known to be one when the second begins.
    assert player.waits == [pytest.approx(0.2 + 0.2 + 0.65)]


async def test_stages_are_measured_from_the_end_of_the_users_audio() -> None:
    turn = TurnRequest(
        utterance=Recording(wav()),
        voice=Voice("en", "female"),
        audio_format="mp3",
        streaming=False,
        ended_at=time.monotonic() - 10,
    )
    run = Run(FakeEngines(), turn)
    await run.pipeline.run()
    stages = run.pipeline.progress
    times = [stages.decode, stages.transcribe, stages.first_text, stages.first_audio]
    assert all(t is not None and 10_000 <= t < 15_000 for t in times)
    assert times == sorted(times, key=lambda t: t or 0)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("audio_format", get_args(AudioFormat))
async def test_what_was_spoken_before_a_failure_is_whole_in_every_format(
    audio_format: AudioFormat, streaming: bool
) -> None:
    fakes = FakeEngines()
    fakes.speaker.fails_on = "Time to eat."
    run = Run(fakes, request(Typed("hello"), audio_format, streaming))
    with pytest.raises(SpeechError):
        await run.pipeline.run()
    chunks = [event for event in run.events if isinstance(event, Audio)]
    assert {chunk.piece for chunk in chunks} == {0}
    sound = b"".join(chunk.data for chunk in chunks)
    if audio_format == "pcm16":
        assert len(sound) == 24 * 2 * 200
        return
    assert len(decode(sound, max_seconds=1.0)) >= 200
    if audio_format == "opus":
        last_page = sound[sound.rindex(b"OggS") :]
        assert last_page[5] & 4, "the stream has no end"


@pytest.mark.parametrize("audio_format", get_args(AudioFormat))
async def test_a_failure_before_the_first_sound_gives_not_even_a_header(audio_format: AudioFormat) -> None:
    fakes = FakeEngines()
    fakes.speaker.fails_on = "It is noon."
    run = Run(fakes, request(Typed("hello"), audio_format))
    with pytest.raises(SpeechError):
        await run.pipeline.run()
    assert run.of(Audio) == []
