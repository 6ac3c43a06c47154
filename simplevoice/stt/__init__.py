"""Speech to text: the abstract engine, and how one is made by its name."""

from abc import abstractmethod
from importlib import import_module

import msgspec
from pydub import AudioSegment

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.engines.engine import Engine
from simplevoice.types import Language

ENGINES = {
    "whisper": "simplevoice.stt.whisper:WhisperTranscriber",
    "openai": "simplevoice.stt.openai:OpenAITranscriber",
}


class Transcript(msgspec.Struct, frozen=True):
    """What was heard. ``text`` is empty when nothing intelligible was.

    ``no_speech_probability`` (0-1) and ``average_log_probability`` (<= 0) are the recognizer's own doubt, None when
    it doesn't tell.
    """

    text: str
    language: Language
    no_speech_probability: float | None = None
    average_log_probability: float | None = None
    engine: str | None = None
    """Who heard it, where several stand by."""


class Transcriber(Engine):
    """A speech recognizer."""

    def engine_for(self, language: Language) -> str:
        """Name the engine that is asked first in a language."""
        return self.name

    @abstractmethod
    async def transcribe(self, audio: AudioSegment, language: Language) -> Transcript:
        """Transcribe one utterance: 16 kHz mono 16-bit. Raises TranscriptionError."""


def create(config: SttConfig, models: ModelsConfig) -> Transcriber:
    """Make what the configuration hears with, unloaded: its engines behind one TranscriptionPolicy."""
    policy: Transcriber = import_module("simplevoice.stt.policy").create_policy(config, models)
    return policy


def create_engine(config: SttConfig, models: ModelsConfig) -> Transcriber:
    """Make one engine, unloaded. Only its own file, and so its own libraries, are imported."""
    module, _, cls = ENGINES[config.engine].partition(":")
    engine: Transcriber = getattr(import_module(module), cls)(config, models)
    return engine
