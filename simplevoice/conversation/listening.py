"""A client's audio stream: what is decoded of it, where its turns are, and what is made of them ahead of time."""

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol

import structlog
from pydub import AudioSegment

from simplevoice.config import TurnsConfig
from simplevoice.engines.lent import Engines
from simplevoice.errors import AudioError, ErrorCode
from simplevoice.speech.endpointing import SpeechResumed, SpeechStarted, TentativeEnd, TurnEnded
from simplevoice.speech.evidence import judge
from simplevoice.speech.stream import StreamDecoder
from simplevoice.speech.turn_detector import Activity, Detection, TurnDetector
from simplevoice.types import INPUT_SAMPLE_RATE, Language

log = structlog.get_logger(__name__)

BYTES_PER_MS = INPUT_SAMPLE_RATE * 2 // 1000


class PreparedTurn(Protocol):
    """A turn that is worked on before it is known to be one."""

    async def transcript(self) -> str | None:
        """What was heard, when it is known; None when nothing was."""

    async def cancel(self) -> None:
        """Throw the work away."""


class TurnTaker(Protocol):
    """The conversation, as a stream sees it."""

    @property
    def language(self) -> Language:
        """What is spoken."""

    @property
    def speaking(self) -> bool:
        """Whether a reply is being spoken."""

    def sent(self, audio_ms: int) -> None:
        """So much audio came. Raises RateLimitedError when it is too much."""

    def stream_dropped(self) -> None:
        """A stream is no more; what was not heard of it is void."""

    async def speech_started(self, offset_ms: int) -> None:
        """Somebody speaks; who is answering has to stop."""

    async def speech_ended(self, offset_ms: int) -> None:
        """The turn is over."""

    async def vad_changed(self, activity: Activity) -> None:
        """Tell what voice activity detection sees."""

    def prepare(self, audio: AudioSegment, silence_ms: int) -> PreparedTurn | None:
        """Begin to work on what may be a turn, which ended ``silence_ms`` ago; None when another is in progress."""

    async def take(
        self, audio: AudioSegment, prepared: PreparedTurn | None, silence_ms: int, *, verified: bool
    ) -> None:
        """Answer a turn. ``verified`` says that speech was found in it."""


class AudioStream(ABC):
    """One stream of a client, from its first to its last byte."""

    def __init__(self, decoder: StreamDecoder, taker: TurnTaker) -> None:
        self._decoder = decoder
        self._taker = taker
        self._uncounted_bytes = 0

    @property
    @abstractmethod
    def hearing(self) -> bool:
        """Whether an utterance is under way: begun, and not handed over yet."""

    async def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises AudioError or RateLimitedError, after which the stream is over."""
        for pcm in self._decoder.feed(data):
            if pcm:
                audio_ms, self._uncounted_bytes = divmod(self._uncounted_bytes + len(pcm), BYTES_PER_MS)
                self._taker.sent(audio_ms)
                await self._hear(pcm)
            await asyncio.sleep(0)

    async def finish(self) -> None:
        """The client ends the stream, and with it the utterance."""
        await self._hear(self._decoder.finish())
        await self._end()

    async def close(self) -> None:
        """Drop the stream and all work on it."""
        return

    @abstractmethod
    async def _hear(self, pcm: bytes) -> None:
        """Take 16 kHz mono s16le."""

    @abstractmethod
    async def _end(self) -> None:
        """Answer what was said up to now."""


class PushToTalkStream(AudioStream):
    """The client says when the utterance begins and ends."""

    def __init__(self, decoder: StreamDecoder, taker: TurnTaker, max_seconds: float) -> None:
        super().__init__(decoder, taker)
        self._max_seconds = max_seconds
        self._pcm = bytearray()

    @property
    def hearing(self) -> bool:
        return True  # until the client says that it ends

    async def _hear(self, pcm: bytes) -> None:
        self._pcm += pcm
        if len(self._pcm) > self._max_seconds * INPUT_SAMPLE_RATE * 2:
            details = {"max_seconds": self._max_seconds}
            raise AudioError("the utterance is too long", code=ErrorCode.AUDIO_TOO_LONG, details=details)

    async def _end(self) -> None:
        if not self._pcm:
            raise AudioError("the stream ended without a sample", code=ErrorCode.EMPTY_AUDIO)
        audio = AudioSegment(bytes(self._pcm), sample_width=2, frame_rate=INPUT_SAMPLE_RATE, channels=1)
        self._pcm.clear()
        await self._taker.take(audio, None, 0, verified=False)


class DetectedStream(AudioStream):
    """The server finds the turns, and begins to work on one as soon as it may be over."""

    def __init__(
        self,
        decoder: StreamDecoder,
        taker: TurnTaker,
        engines: Engines,
        config: TurnsConfig,
        max_seconds: float,
    ) -> None:
        super().__init__(decoder, taker)
        self._config = config
        self._smart_turn = engines.smart_turn
        self._voice_activity = engines.voice_activity
        self._detector = TurnDetector(
            config,
            engines.voice_activity,
            max_seconds=max_seconds,
            expects_evidence=config.early_transcription or self._smart_turn is not None,
        )
        self._prepared: PreparedTurn | None = None
        self._evidence: asyncio.Task[None] | None = None
        self._handling = asyncio.Lock()
        self._closed = False

    @property
    def hearing(self) -> bool:
        return self._detector.hearing or self._handling.locked()

    async def close(self) -> None:
        self._closed = True
        await self._drop_work()

    async def _drop_work(self) -> None:
        await self._drop_evidence()
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            await prepared.cancel()

    async def _hear(self, pcm: bytes) -> None:
        muted = self._config.half_duplex and self._taker.speaking
        async with self._handling:
            piece = self._detector.take(pcm, muted=muted)
            if len(piece.frames):
                await self._handle(self._detector.heard(await self._voice_activity.hear_soon(piece)))
        if not self._closed:
            await self._taker.vad_changed(self._detector.activity)

    async def _end(self) -> None:
        async with self._handling:
            await self._handle(self._detector.flush())

    async def _handle(self, detections: list[Detection]) -> None:
        """Act on what was detected, under the lock: frames and evidence come from two tasks, and a third may close."""
        for event, audio in detections:
            if self._closed:
                return
            match event:
                case SpeechStarted():
                    await self._taker.speech_started(event.offset_ms)
                case TentativeEnd() if audio is not None:
                    self._look_ahead(event.generation, audio)
                case SpeechResumed():
                    await self._drop_work()
                case TurnEnded() if audio is not None:
                    await self._turn_over(event, audio)

    def _look_ahead(self, generation: int, audio: AudioSegment) -> None:
        """Transcribe what may be the whole turn, and gather evidence whether it is."""
        if self._config.early_transcription:
            self._prepared = self._taker.prepare(audio, self._detector.activity.silence_duration_ms)
        evidence = self._gather_evidence(generation, audio, self._prepared)
        self._evidence = asyncio.create_task(evidence, name="turn evidence")

    async def _gather_evidence(self, generation: int, audio: AudioSegment, prepared: PreparedTurn | None) -> None:
        """Weigh what was said, and how it sounded: asked at once, one would only take the processors from the other."""
        text = await prepared.transcript() if prepared is not None else None
        probability = await self._sounds_finished(self._detector.with_silence(audio))
        async with self._handling:
            await self._handle(self._detector.evidence(generation, judge(text, probability, self._taker.language)))

    async def _sounds_finished(self, audio: AudioSegment) -> float | None:
        if self._smart_turn is None:
            return None
        try:
            return await asyncio.to_thread(self._smart_turn.probability, audio)
        except Exception:
            # Without this evidence the turn ends by its words or by silence; it must end.
            log.exception("smart_turn_failed")
            return None

    async def _turn_over(self, event: TurnEnded, audio: AudioSegment) -> None:
        await self._drop_evidence()
        await self._taker.speech_ended(event.offset_ms)
        # Only now, since whoever closes the stream meanwhile has to find it.
        prepared, self._prepared = self._prepared, None
        await self._taker.take(audio, prepared, event.waited_ms, verified=True)

    async def _drop_evidence(self) -> None:
        evidence, self._evidence = self._evidence, None
        if evidence is not asyncio.current_task():
            await _drop(evidence)


async def _drop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
