"""Both sides of a benchmark of recognition: our transcriber and faster-whisper's own: same weights, same threads."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
import numpy as np
from faster_whisper import WhisperModel

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.models.store import ModelStore
from simplevoice.stt.whisper import WhisperTranscriber
from tests.benchmarks.places import CPU, PREFIX, Place
from tests.benchmarks.spoken import Utterance

THREADS = 2
PATIENCE_SECONDS = 600.0


class Heard(NamedTuple):
    """What a side heard, and how long that took."""

    text: str
    ms: float


class Recognizers:
    """Both, loaded and warm."""

    def __init__(self, ours: WhisperTranscriber, stock: WhisperModel, beam: int) -> None:
        self._ours = ours
        self._stock = stock
        self._beam = beam

    async def ours(self, utterance: Utterance) -> Heard:
        """Let our transcriber hear."""
        begun = time.perf_counter()
        transcript = await self._ours.transcribe(utterance.audio, utterance.language)
        return Heard(transcript.text, (time.perf_counter() - begun) * 1000)

    async def stock(self, utterance: Utterance) -> Heard:
        """Let ``WhisperModel.transcribe`` hear, in a thread as whoever serves others must."""
        begun = time.perf_counter()
        text = await asyncio.to_thread(self._transcribe, utterance)
        return Heard(text, (time.perf_counter() - begun) * 1000)

    def _transcribe(self, utterance: Utterance) -> str:
        samples = np.frombuffer(utterance.audio.raw_data, "<i2").astype(np.float32) / 32768
        segments, _ = self._stock.transcribe(samples, language=utterance.language, beam_size=self._beam)
        return " ".join(segment.text.strip() for segment in segments)


@asynccontextmanager
async def our_transcriber(place: Place = CPU) -> AsyncIterator[WhisperTranscriber]:
    """Load and warm up ours."""
    settings = {
        "device": place.device,
        "model": place.model,
        "compute_type": place.compute_type,
        "threads": THREADS,
        "timeout_seconds": PATIENCE_SECONDS,
    }
    engine = WhisperTranscriber(msgspec.convert(settings, SttConfig), ModelsConfig())
    await engine.load()
    try:
        await engine.warm_up()
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def recognizers(place: Place = CPU) -> AsyncIterator[Recognizers]:
    """Load both."""
    folder = await asyncio.to_thread(ModelStore(ModelsConfig()).ensure, f"{PREFIX}{place.model}")
    async with our_transcriber(place) as ours:
        stock = await asyncio.to_thread(
            WhisperModel, str(folder), device=place.device, compute_type=place.compute_type, cpu_threads=THREADS
        )
        yield Recognizers(ours, stock, place.beam)
