"""Speech of which it is known what was said: sentences that machines speak, kept in a folder, and people on tape."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from platformdirs import user_cache_path
from pydub import AudioSegment

from simplevoice import tts
from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.speech.codec import decode
from simplevoice.tts import Voice
from simplevoice.types import INPUT_SAMPLE_RATE, Language
from tests.media import recording, samples, segment, wav

Who = Literal["Piper", "espeak", "people"]

SENTENCES = Path(__file__).with_name("sentences.txt")
CACHE = user_cache_path("simplevoice") / "tests" / "speech"
NOISE = "noise-washing-machine.wav"

PEOPLE: dict[str, tuple[Language, str]] = {
    "en-LJ001-0012": (
        "en",
        "especially as no more time is occupied, or cost incurred, in casting, setting, or printing beautiful letters",
    ),
    "en-LJ006-0114": (
        "en",
        "they bought their offices from one another, and were thus considered to have a vested interest in them",
    ),
    "en-LJ011-0202": ("en", "the uncle claimed her. the husband resisted."),
    "en-LJ042-0094": ("en", "the soviet authorities denied oswald permission"),
    "ar-no": ("ar", "لا"),
    "ar-digits-357029": ("ar", "ثلاثة خمسة سبعة صفر اثنان تسعة"),
}
"""What is said in the recordings of tests/data."""


class Utterance(msgspec.Struct, frozen=True):
    """What somebody says; ``audio`` as recognizers get it: 16 kHz mono."""

    text: str
    language: Language
    who: Who
    audio: AudioSegment
    noisy: bool = False

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.audio.duration_seconds)


class _Engine(msgspec.Struct, frozen=True):
    who: Who
    name: str
    package: str


PIPER = _Engine("Piper", "piper", "piper-tts")
ESPEAK = _Engine("espeak", "espeak", "espeakng-loader")
TURNS = (
    (PIPER, Voice("en", "male")),
    (PIPER, Voice("en", "male")),
    (ESPEAK, Voice("en", "male")),
    (ESPEAK, Voice("en", "female")),
)
"""Who speaks English, one sentence after the other."""


def people() -> list[Utterance]:
    """Give the recordings of people."""
    return [
        Utterance(text, language, "people", recording(f"{name}.wav").set_frame_rate(INPUT_SAMPLE_RATE).set_channels(1))
        for name, (language, text) in PEOPLE.items()
    ]


async def machines(most: int | None = None) -> list[Utterance]:
    """Give the sentences, or so many of them from either end, spoken now or when they were first asked for."""
    lines = SENTENCES.read_text("utf-8").splitlines()
    if most is not None:
        lines = [*lines[: most - most // 2], *lines[len(lines) - most // 2 :]]
    by_engine: dict[_Engine, list[tuple[str, Voice]]] = {PIPER: [], ESPEAK: []}
    for number, line in enumerate(lines):
        text = line[3:]
        engine, voice = (
            (ESPEAK, Voice("ar", "female" if number % 2 else "male"))
            if line.startswith("ar ")
            else TURNS[number % len(TURNS)]
        )
        by_engine[engine].append((text, voice))
    return [spoken for engine, texts in by_engine.items() for spoken in await _speak_all(engine, texts)]


def with_noise(utterance: Utterance, decibels: float) -> Utterance:
    """Mix in the noise of a washing machine, so many decibels below the speech."""
    speech = samples(utterance.audio)
    noise = np.resize(samples(recording(NOISE).set_frame_rate(INPUT_SAMPLE_RATE).set_channels(1)), len(speech))
    gain = np.sqrt(np.mean(speech**2) / np.mean(noise**2)) / 10 ** (decibels / 20)
    mixed = speech + gain * noise
    mixed *= min(1.0, 32767 / np.abs(mixed).max())
    return msgspec.structs.replace(utterance, audio=segment(mixed), noisy=True)


def nearest(utterances: Sequence[Utterance], seconds: Sequence[float]) -> list[Utterance]:
    """Pick an utterance for each length."""
    left = list(utterances)
    picked = []
    for length in seconds:
        best = min(left, key=lambda utterance: abs(utterance.seconds - length))
        left.remove(best)
        picked.append(best)
    return picked


async def _speak_all(engine: _Engine, texts: Sequence[tuple[str, Voice]]) -> list[Utterance]:
    files = {text: _file(engine, text, voice) for text, voice in texts}
    CACHE.mkdir(parents=True, exist_ok=True)
    if not all(file.exists() for file in files.values()):
        speaker = tts.create_engine(engine.name, TtsConfig(), VoicesConfig(), ModelsConfig())
        await speaker.load()
        try:
            for text, voice in texts:
                chunks = [chunk async for chunk in speaker.synthesize(text, voice)]
                pcm = np.frombuffer(b"".join(chunk.data for chunk in chunks), "<i2")
                audio = segment(pcm, chunks[0].sample_rate).set_frame_rate(INPUT_SAMPLE_RATE)
                files[text].write_bytes(wav(audio.raw_data))
        finally:
            await speaker.close()
    return [
        Utterance(text, voice.language, engine.who, decode(files[text].read_bytes(), max_seconds=60))
        for text, voice in texts
    ]


def _file(engine: _Engine, text: str, voice: Voice) -> Path:
    """Name the file by all that makes its sound."""
    made_of = f"{engine.name} {version(engine.package)} {voice.language} {voice.voice_type} {text}"
    return CACHE / f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.wav"
