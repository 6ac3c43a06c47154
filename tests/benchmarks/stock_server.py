"""What ``simplevoice serve`` runs, with the stock transcriber: faster-whisper's own ``transcribe`` and its defaults.

It takes its settings from the environment, as the real one does.
"""

import asyncio
import os
import sys

import numpy as np
from faster_whisper import WhisperModel
from pydub import AudioSegment

from simplevoice import llm, logs, tts
from simplevoice.config import Config
from simplevoice.config.sources import load
from simplevoice.engines.ears import open_ears
from simplevoice.engines.engine import EngineHealth
from simplevoice.errors import TranscriptionError
from simplevoice.models.store import ModelStore
from simplevoice.server.app import create_app
from simplevoice.server.run import serve
from simplevoice.service import SimpleVoiceService
from simplevoice.stt import Transcriber, Transcript, cuda
from simplevoice.types import Language


class StockTranscriber(Transcriber):
    """Our weights, device and threads; the rest is as faster-whisper's page shows it, one utterance at a time."""

    name = "faster-whisper"

    def __init__(self, config: Config) -> None:
        self._config = config.stt
        self._store = ModelStore(config.models)
        self._model: WhisperModel | None = None
        self._alone = asyncio.Lock()

    async def load(self) -> None:
        self._model = await asyncio.to_thread(self._open)

    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        if self._model is None:
            raise TranscriptionError("it is not loaded")
        async with self._alone:
            return Transcript(await asyncio.to_thread(self._hear, self._model, audio, language), language)

    def health(self) -> EngineHealth:
        return EngineHealth(self.name, "ready" if self._model else "stopped")

    def _open(self) -> WhisperModel:
        if self._config.device == "cuda":
            cuda.open_cublas()
        return WhisperModel(
            str(self._store.path(f"whisper-{self._config.model}")),
            device=self._config.device,
            compute_type=self._config.compute_type,
            cpu_threads=os.cpu_count() or 1,
        )

    def _hear(self, model: WhisperModel, audio: AudioSegment, language: Language) -> str:
        samples = np.frombuffer(audio.raw_data, "<i2").astype(np.float32) / 32768
        segments, _ = model.transcribe(samples, language=language)
        return " ".join(segment.text.strip() for segment in segments)


def make_service(config: Config) -> SimpleVoiceService:
    """Make the engines, all but one those of the configuration."""
    return SimpleVoiceService(
        config.limits,
        StockTranscriber(config),
        llm.create(config.llm, config.models),
        tts.create(config.tts, config.voices, config.models),
        lambda: open_ears(config),
        config.llm.instructions,
    )


if __name__ == "__main__":
    settings = load()
    with logs.configure(settings.config.logging):
        app = create_app(settings.config, make_service(settings.config))
        sys.exit(asyncio.run(serve(app, settings.read_again)))
