"""Text to speech: the abstract engine, and how one is made by its name."""

import re
import unicodedata
from abc import abstractmethod
from collections.abc import AsyncGenerator
from importlib import import_module

import msgspec

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engines.engine import Engine
from simplevoice.errors import SpeechError
from simplevoice.types import LANGUAGES, Language, SpeechCodec, VoiceType

ENGINES = {
    "edge": "simplevoice.tts.edge:EdgeSpeaker",
    "espeak": "simplevoice.tts.espeak:EspeakSpeaker",
    "piper": "simplevoice.tts.piper:PiperSpeaker",
}

PROBE_TEXT: dict[Language, str] = {"ar": "نعم", "en": "Yes."}
"""The least that shows whether an engine can speak."""


class Voice(msgspec.Struct, frozen=True):
    """Who speaks, and how. ``name`` is an engine's own name for a voice and goes before ``voice_type``.

    An engine passes over a ``name`` that is not one of its own, or that can't speak the language. ``rate`` is relative
    to the voice's own pace, such as ``+10%`` or ``-25%``; None leaves it to the configuration.
    """

    language: Language
    voice_type: VoiceType
    name: str | None = None
    rate: str | None = None

    def own_name(self, names: re.Pattern[str]) -> str | None:
        """Give the ``name`` if it is one of these, unless its voice is of the other language.

        An English one spells Arabic out letter by letter, or says nothing of it.
        """
        if self.name is None or not names.fullmatch(self.name):
            return None
        foreign = language_of(self.name) not in (None, self.language) and "Multilingual" not in self.name
        return None if foreign else self.name


class VoiceInfo(msgspec.Struct, frozen=True):
    """A voice that an engine has for a language and type, and whether it can speak on this machine."""

    language: Language
    voice_type: VoiceType
    engine: str
    name: str
    present: bool


class SpeechChunk(msgspec.Struct, frozen=True):
    """Speech as an engine made it: whole MP3 frames, or mono signed 16-bit little-endian samples."""

    data: bytes
    codec: SpeechCodec
    sample_rate: int
    engine: str


class Speaker(Engine):
    """A speech synthesizer."""

    @abstractmethod
    def supports(self, voice: Voice) -> bool:
        """Whether this engine, as it is installed, has a voice for the language and type."""

    def expect(self) -> None:
        """Be told that there will soon be a text: begin what takes time and needs none. It may be told in vain."""
        return

    @abstractmethod
    def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        """Speak one piece of text, chunk by chunk as it is made; at least one. Raises SpeechError.

        All chunks of one engine have one codec and sample rate; when another engine goes on in its place, as
        SpeechPolicy lets it, both may change. Closing the iterator stops the synthesis.
        """

    async def voices(self) -> tuple[VoiceInfo, ...]:
        """List the voices of every language and type. Works before ``load`` too."""
        return ()


def create(config: TtsConfig, voices: VoicesConfig, models: ModelsConfig) -> Speaker:
    """Make what the configuration speaks with, unloaded: its engines behind one SpeechPolicy."""
    policy: Speaker = import_module("simplevoice.tts.policy").create_policy(config, voices, models)
    return policy


def create_engine(name: str, config: TtsConfig, voices: VoicesConfig, models: ModelsConfig) -> Speaker:
    """Make an engine, unloaded. Only its own file, and so its own libraries, are imported."""
    module, _, cls = ENGINES[name].partition(":")
    engine: Speaker = getattr(import_module(module), cls)(config, voices, models)
    return engine


async def voice_table(config: TtsConfig, voices: VoicesConfig, models: ModelsConfig) -> list[VoiceInfo]:
    """List the voices of all engines, sorted by language and type."""
    rows = [row for name in ENGINES for row in await create_engine(name, config, voices, models).voices()]
    return sorted(rows, key=lambda row: (row.language, row.voice_type))


def language_of(name: str) -> Language | None:
    """Tell the language of a voice, with which its name begins; None where it is none of ours."""
    begins = re.split("[-+_]", name, maxsplit=1)[0]
    return next((language for language in LANGUAGES if language == begins), None)


def speakable(text: str) -> str:
    """Return the text without what no engine can take: controls, lone surrogates, unassigned code points.

    Raises SpeechError when no letter or digit is left: an engine would be silent.
    """
    cleaned = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Cn", "Co"} else c for c in text)
    if not any(c.isalnum() for c in cleaned):
        raise SpeechError("the text has nothing to pronounce")
    return " ".join(cleaned.split())


def pace(rate: str) -> float:
    """Turn a rate into a factor: ``+10%`` is 1.1. It stays between 0.5 and 2, where speech can be followed."""
    return min(2.0, max(0.5, 1 + int(rate.removesuffix("%")) / 100))
