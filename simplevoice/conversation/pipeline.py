"""One turn: an utterance becomes a transcript, the transcript a reply, the reply speech.

The model writes, the engine speaks the next piece while the one before is delivered: tasks that run at once, joined by
bounded queues. Whoever runs a turn gets its events, in order, through ``emit``, and slows it by waiting there.
A coroutine and a callback rather than an async iterator, because the stages are tasks of one TaskGroup: cancelling
the coroutine ends them all, at any point, before it returns.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec
from pydub import AudioSegment

from simplevoice.config import LimitsConfig
from simplevoice.conversation.utterance import Recording, Speech, Typed, Utterance, cut_to_speech
from simplevoice.engines.lent import Engines, Lender
from simplevoice.errors import EngineError, ReplyError, SpeechError
from simplevoice.history import History
from simplevoice.llm.prompts import build_messages
from simplevoice.observation import Progress
from simplevoice.protocol import GuidanceReason
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.speech.sentences import ReplyCutter
from simplevoice.stt.judge import verdict
from simplevoice.tts import SpeechChunk, Voice
from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioFormat, Language

PIECES_AHEAD = 8
"""Written, and waiting to be delivered."""
SPOKEN_AT_ONCE = 2
"""The piece that is delivered, and the next one."""
CHUNKS_AHEAD = 64
"""Of the speech of one piece, waiting to be delivered."""
PCM_CHUNK_BYTES = OUTPUT_SAMPLE_RATE * 2 // 10
"""100 ms."""


T = TypeVar("T")


class TurnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that a turn needs to know. ``ended_at`` is the end of the user's audio on the monotonic clock, seconds."""

    utterance: Utterance
    voice: Voice
    audio_format: AudioFormat
    streaming: bool
    instructions: str | None = None
    ended_at: float = msgspec.field(default_factory=time.monotonic)

    @property
    def language(self) -> Language:
        """The language that is heard and spoken."""
        return self.voice.language


class Decoded(msgspec.Struct, frozen=True):
    """A recording was read, and is this long."""

    audio_ms: int


class Heard(msgspec.Struct, frozen=True):
    """What the user said."""

    text: str


class NotHeard(msgspec.Struct, frozen=True):
    """Nothing intelligible; the last event."""

    reason: GuidanceReason
    text: str


class Piece(msgspec.Struct, frozen=True):
    """A speakable piece of the reply, when the model has written it."""

    index: int
    text: str


class Audio(msgspec.Struct, frozen=True):
    """Encoded speech of one piece, ``duration_ms`` long. An encoder may give the bytes later than the sound."""

    data: bytes
    piece: int
    duration_ms: float


class Finished(msgspec.Struct, frozen=True):
    """The reply is complete; the last event. ``engines`` spoke it, in order of appearance."""

    text: str
    engines: tuple[str, ...]
    duration_ms: int


Event = Decoded | Heard | NotHeard | Piece | Audio | Finished
Emit = Callable[[Event], Awaitable[None]]


class _SpokenPiece:
    """A piece whose speech is being made."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.chunks: asyncio.Queue[SpeechChunk | EngineError | None] = asyncio.Queue(CHUNKS_AHEAD)


class Pipeline:
    """One run through the stages, for one turn. ``progress`` is filled as it goes on."""

    def __init__(
        self, request: TurnRequest, history: History, lender: Lender, limits: LimitsConfig, emit: Emit
    ) -> None:
        self.request = request
        self.progress = Progress()
        self._history = history
        self._lender = lender
        self._engines: Engines
        self._limits = limits
        self._emit = emit
        self._pieces: asyncio.Queue[_SpokenPiece | EngineError | None] = asyncio.Queue(PIECES_AHEAD)
        self._speaking = asyncio.Semaphore(SPOKEN_AT_ONCE)
        self._written: list[str] = []
        self._delivering = 0
        """The piece of the reply whose sound is encoded."""

    async def run(self) -> None:
        """Run the turn to its end. Raises AudioError, TranscriptionError, ReplyError or SpeechError."""
        with self._lender.lend() as self._engines:
            await self._run()

    async def _run(self) -> None:
        self.progress.begun = self.elapsed_ms()
        self._engines.speaker.expect()
        heard = await self._listen()
        await self._emit(heard)
        if isinstance(heard, NotHeard):
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(heard.text, tasks))
                duration_ms = await self._deliver()
        except* Exception as failures:  # noqa: BLE001 - unwrapped, not swallowed
            raise _first(failures) from None
        await self._emit(Finished(" ".join(self._written), self.progress.tts, duration_ms))

    def elapsed_ms(self) -> int:
        """Milliseconds since the end of the user's audio."""
        return round((time.monotonic() - self.request.ended_at) * 1000)

    async def _listen(self) -> Heard | NotHeard:
        utterance = self.request.utterance
        if isinstance(utterance, Typed):
            return Heard(utterance.text)
        if isinstance(utterance, Speech) and utterance.verified:
            audio: AudioSegment | None = utterance.audio
            self.progress.audio_ms = len(utterance.audio)
        else:
            audio = await asyncio.to_thread(self._find_speech, utterance)
        if isinstance(utterance, Recording):
            self.progress.decode = self.elapsed_ms()
            await self._emit(Decoded(self.progress.audio_ms))
        if audio is None:
            return NotHeard("no_speech", "")
        self.progress.stt = self._engines.transcriber.engine_for(self.request.language)
        transcript = await self._engines.transcriber.transcribe(audio, self.request.language)
        self.progress.transcribe = self.elapsed_ms()
        self.progress.stt = transcript.engine or self.progress.stt
        judged = verdict(transcript)
        if judged == "ok":
            return Heard(transcript.text)
        self.progress.hallucinated = bool(transcript.text)
        return NotHeard(judged, transcript.text)

    def _find_speech(self, utterance: Recording | Speech) -> AudioSegment | None:
        """Decode, and cut to what is speech; None when nothing is. Blocks."""
        audio = utterance.decode(self._limits) if isinstance(utterance, Recording) else utterance.audio
        self.progress.audio_ms = len(audio)
        return cut_to_speech(audio, self._engines.voice_activity)

    async def _write(self, text: str, tasks: asyncio.TaskGroup) -> None:
        """Let the model reply, and each piece of it be spoken as soon as it is there."""
        try:
            await self._write_pieces(text, tasks)
        except EngineError as error:
            await _put(self._pieces, error)
        else:
            await _put(self._pieces, None)

    async def _write_pieces(self, text: str, tasks: asyncio.TaskGroup) -> None:
        request = self.request
        messages = build_messages(
            request.language,
            self._history.exchanges,
            text,
            instructions=request.instructions or self._engines.instructions,
            max_history_tokens=self._limits.history_tokens,
        )
        cutter = ReplyCutter()
        self.progress.llm = self._engines.model.engine_for(request.language)
        async with aclosing(self._engines.model.reply(messages, request.language)) as reply:
            async for chunk in reply:
                self.progress.llm = chunk.engine
                await self._put_pieces(cutter.feed(chunk.text), tasks)
        await self._put_pieces(cutter.flush(), tasks)
        if not self._written:
            raise ReplyError("the model answered with nothing that can be spoken")

    async def _put_pieces(self, texts: list[str], tasks: asyncio.TaskGroup) -> None:
        for text in texts:
            if self.progress.first_text is None:
                self.progress.first_text = self.elapsed_ms()
            piece = Piece(len(self._written), text)
            self._written.append(text)
            await self._emit(piece)
            spoken = _SpokenPiece(piece)
            await _put(self._pieces, spoken)
            tasks.create_task(self._speak(spoken))

    async def _speak(self, spoken: _SpokenPiece) -> None:
        """Make a piece's speech, as soon as all but one of those before it are delivered."""
        await self._speaking.acquire()
        try:
            async with aclosing(self._engines.speaker.synthesize(spoken.piece.text, self.request.voice)) as speech:
                async for chunk in speech:
                    await _put(spoken.chunks, chunk)
        except EngineError as error:
            await _put(spoken.chunks, error)
        else:
            await _put(spoken.chunks, None)

    async def _deliver(self) -> int:
        """Encode and hand out, in order; gives the duration of the whole reply in ms."""
        encoder = SpeechEncoder(self.request.audio_format, streaming=self.request.streaming)
        failure: EngineError | None = None
        try:
            while (spoken := _or_raise(await self._pieces.get())) is not None:
                await self._deliver_piece(spoken, encoder)
                self._speaking.release()
        except EngineError as error:
            failure = error
        if self.progress.tts:  # the encoder still holds a part of what was spoken, also before a failure
            await self._encode(encoder, encoder.finish())
        if failure is not None:
            raise failure
        if encoder.duration_ms <= 0:
            raise SpeechError("the engines gave no speech")
        return encoder.duration_ms

    async def _deliver_piece(self, spoken: _SpokenPiece, encoder: SpeechEncoder) -> None:
        while (chunk := _or_raise(await spoken.chunks.get())) is not None:
            self._delivering = spoken.piece.index
            if chunk.engine not in self.progress.tts:
                self.progress.tts += (chunk.engine,)
            await self._encode(encoder, encoder.encode(chunk.data, chunk.codec, chunk.sample_rate))

    async def _encode(self, encoder: SpeechEncoder, encoding: Awaitable[bytes]) -> None:
        before = encoder.duration_ms
        data = await encoding
        await self._hand_out(data, self._delivering, encoder.duration_ms - before)

    async def _hand_out(self, data: bytes, piece: int, duration_ms: float) -> None:
        if data and self.progress.first_audio is None:
            self.progress.first_audio = self.elapsed_ms()
        size = len(data)
        if self.request.streaming and self.request.audio_format == "pcm16":
            size = PCM_CHUNK_BYTES
        for start in range(0, len(data), size) if data else [0]:
            part = data[start : start + size]
            await self._emit(Audio(part, piece, duration_ms * len(part) / len(data) if data else duration_ms))


async def _put(queue: asyncio.Queue[T], item: T) -> None:
    """Put, unless this stage was cancelled: its engine may have swallowed that, and nobody takes from the queue."""
    stage = asyncio.current_task()
    if stage is not None and stage.cancelling():
        raise asyncio.CancelledError
    await queue.put(item)


def _or_raise(item: T | EngineError | None) -> T | None:
    """A stage's failure comes through its queue, in order: what was made before it is delivered."""
    if isinstance(item, EngineError):
        raise item
    return item


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that came first, out of its groups."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
