"""Text to speech: the abstract engine, and how one is made by its name."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Literal

import msgspec

from simplevoice.config import ModelsConfig, TtsConfig
from simplevoice.engine import Engine
from simplevoice.types import Language, VoiceType

ENGINES = {
    "edge": "simplevoice.tts.edge:EdgeSpeaker",
    "espeak": "simplevoice.tts.espeak:EspeakSpeaker",
    "piper": "simplevoice.tts.piper:PiperSpeaker",
}


class Voice(msgspec.Struct, frozen=True):
    """Who speaks, and how. ``name`` is an engine's own name for a voice and goes before ``voice_type``.

    ``rate`` is relative to the voice's own pace, such as ``+10%`` or ``-25%``; None leaves it to the configuration.
    """

    language: Language
    voice_type: VoiceType
    name: str | None = None
    rate: str | None = None


class SpeechChunk(msgspec.Struct, frozen=True):
    """Speech as an engine made it: whole MP3 frames, or mono signed 16-bit little-endian samples."""

    data: bytes
    codec: Literal["mp3", "pcm16"]
    sample_rate: int
    engine: str


class Speaker(Engine):
    """A speech synthesizer."""

    @abstractmethod
    def supports(self, voice: Voice) -> bool:
        """Whether this engine, as it is installed, has a voice for the language and type."""

    @abstractmethod
    def synthesize(self, text: str, voice: Voice) -> AsyncIterator[SpeechChunk]:
        """Speak one piece of text, chunk by chunk as it is made; at least one. Raises SpeechError.

        All chunks of a call have one codec and sample rate. Closing the iterator stops the synthesis.
        """


def create(name: str, config: TtsConfig, models: ModelsConfig) -> Speaker:
    """Make an engine, unloaded. Only its own file, and so its own libraries, are imported."""
    module, _, cls = ENGINES[name].partition(":")
    engine: Speaker = getattr(import_module(module), cls)(config, models)
    return engine
