"""Whisper in this process: quickly in a window cut to the speech, and thoroughly where that is doubtful."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import structlog
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engines.engine import EngineHealth, EngineState, shut_down
from simplevoice.errors import SimpleVoiceError, TranscriptionError
from simplevoice.stt import Transcriber, Transcript
from simplevoice.stt.batcher import Batcher
from simplevoice.stt.hearing import Hearing, join
from simplevoice.stt.whisper_model import MOST_AT_ONCE, Recognizer, Window, load
from simplevoice.stt.window import FULL_SECONDS, LONGEST_PIECE_SECONDS, Samples, split_at_pauses, window_seconds
from simplevoice.types import INPUT_SAMPLE_RATE, Language

log = structlog.get_logger(__name__)

BEAM = 5
"""Of the thorough pass: it helps with single Arabic words, and takes up to twice the time."""

CLOSE_SECONDS = 30.0
"""What still runs so long after the last call hangs: a batch takes a few seconds at most."""


class WhisperTranscriber(Transcriber):
    """Whisper, shared by all connections; what they have to say while it is busy becomes a batch.

    CTranslate2 can't stop an encoder or a decoder that is running. A cancelled call leaves at once; what it left is
    never begun, or ends at the next step, unless others wait for the same batch.
    """

    name = "whisper"

    def __init__(self, config: SttConfig, models: ModelsConfig) -> None:
        self._config = config
        self._models = models
        self._loading = asyncio.Lock()
        self._loaded: _Loaded | None = None
        self._trouble: str | None = None

    async def load(self) -> None:
        async with self._loading:
            if self._loaded:
                return
            try:
                self._loaded = _Loaded(await asyncio.to_thread(load, self._config, self._models))
            except SimpleVoiceError as error:
                self._trouble = str(error)
                raise
            self._trouble = None

    async def warm_up(self) -> None:
        """Hear a second of silence, in a short and in the full window."""
        await self.transcribe(AudioSegment.silent(1000, frame_rate=INPUT_SAMPLE_RATE), "en")

    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        """Transcribe one utterance. Raises TranscriptionError, or BusyError where its turn would come too late."""
        loaded = self._loaded
        if loaded is None:
            raise TranscriptionError("whisper is not loaded")
        loaded.batcher.admit(self._config.timeout_seconds)
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                transcript = join([await loaded.hear(p, language) for p in await _pieces(audio)], language)
        except TimeoutError:
            raise TranscriptionError(f"whisper took longer than {self._config.timeout_seconds:g} s") from None
        except (RuntimeError, ValueError) as error:  # what CTranslate2 raises, such as for want of GPU memory
            self._trouble = f"whisper failed: {error}"
            raise TranscriptionError(self._trouble, broken=True) from error
        self._trouble = None
        return transcript

    async def close(self) -> None:
        async with self._loading:
            loaded, self._loaded = self._loaded, None
            if loaded:
                await loaded.close()

    @property
    def workers(self) -> Sequence[Executor]:
        return () if self._loaded is None else (self._loaded.threads,)

    def health(self) -> EngineHealth:
        return EngineHealth(
            engine=self.name,
            state=self._state(),
            model=self._config.model,
            device=self._loaded.recognizer.device if self._loaded else None,
            detail=self._trouble or (self._loaded.recognizer.note if self._loaded else None),
            waiting=self._loaded.batcher.waiting if self._loaded else 0,
        )

    def _state(self) -> EngineState:
        if self._loaded:
            return "degraded" if self._trouble else "ready"
        if self._loading.locked():
            return "loading"
        return "failed" if self._trouble else "stopped"


class _Loaded:
    """What there is between load and close."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self.threads = ThreadPoolExecutor(recognizer.workers, "whisper")
        self.batcher = Batcher[Window, Hearing](
            recognizer.hear,
            lambda window: window.kind,
            self.threads,
            workers=recognizer.workers,
            most=MOST_AT_ONCE,
        )

    async def hear(self, samples: Samples, language: Language) -> Hearing:
        """Hear quickly, and thoroughly what is doubtful; on a GPU thoroughly at once."""
        thorough = Window(samples, FULL_SECONDS, BEAM, language)
        if self.recognizer.on_gpu:
            return await self.batcher.submit(thorough)
        seconds = window_seconds(len(samples) / INPUT_SAMPLE_RATE)
        hearing = await self.batcher.submit(Window(samples, seconds, 1, language))
        if hearing.hopeless or not hearing.doubtful:
            return hearing
        again = await self.batcher.submit(thorough)
        return hearing if again.lost and not hearing.lost else again

    async def close(self) -> None:
        """Fail what waits, bring to its end what is at work, and free the weights."""
        self.batcher.close(TranscriptionError("whisper was closed"))
        await asyncio.to_thread(self._unload)

    def _unload(self) -> None:
        if shut_down(self.threads, CLOSE_SECONDS):
            self.recognizer.unload()
        else:
            log.error("whisper_hangs", effect="its memory is not given back")


async def _pieces(audio: AudioSegment) -> list[Samples]:
    """Give the samples, divided where there are too many for one window: a search that takes its time."""
    samples = np.frombuffer(audio.raw_data, dtype="<i2").astype(np.float32) / np.float32(32768)
    if audio.duration_seconds <= LONGEST_PIECE_SECONDS:
        return [samples]
    return await asyncio.to_thread(split_at_pauses, samples)
