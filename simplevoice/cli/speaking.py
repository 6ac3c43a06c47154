"""What ``simplevoice say`` does: load the configured voice, speak once, save or play."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import click
import msgspec

from simplevoice import tts
from simplevoice.cli.output import console
from simplevoice.cli.sound import play, save
from simplevoice.config import Config
from simplevoice.errors import SpeechError
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.types import AudioFormat, Language, VoiceType

SPEAK_SECONDS = 120.0


class Order(msgspec.Struct, frozen=True):
    """What to speak, how, and where it goes. An ``engine`` speaks alone: nobody stands in for it."""

    text: str
    language: Language
    voice_type: VoiceType
    audio_format: AudioFormat
    save: bool
    target: Path | None
    player: str | None
    engine: str | None = None


class Speech(msgspec.Struct, frozen=True):
    """A text, spoken. ``engines`` are those that spoke, in order."""

    audio: bytes
    duration_ms: int
    engines: tuple[str, ...]


async def speak(config: Config, order: Order) -> None:
    """Speak and say where the speech went. Raises SpeechError, ModelError or ClickException."""
    try:
        async with asyncio.timeout(SPEAK_SECONDS):
            speech = await _synthesize(config, order)
    except TimeoutError:
        raise SpeechError(f"no speech within {SPEAK_SECONDS:g} s") from None
    where = f"{await _save(speech, order)}, " if order.save else ""
    seconds = speech.duration_ms / 1000
    console().print(f"{where}{seconds:.1f} s of {order.audio_format} by {', '.join(speech.engines)}")
    if order.player:
        await asyncio.to_thread(play, order.player, speech.audio, order.audio_format, speech.duration_ms)


async def _save(speech: Speech, order: Order) -> Path:
    try:
        return await asyncio.to_thread(save, speech.audio, order.audio_format, order.target, "speech")
    except OSError as error:
        raise click.ClickException(f"the speech can't be saved: {error}") from None


async def _synthesize(config: Config, order: Order) -> Speech:
    rooms = config.tts, config.voices, config.models
    speaker = tts.create_engine(order.engine, *rooms) if order.engine else tts.create(*rooms)
    voice = tts.Voice(language=order.language, voice_type=order.voice_type)
    encoder = SpeechEncoder(order.audio_format)
    engines: dict[str, None] = {}
    audio = bytearray()
    try:
        await speaker.load()
        async with aclosing(speaker.synthesize(order.text, voice)) as chunks:
            async for chunk in chunks:
                engines[chunk.engine] = None
                audio += await asyncio.to_thread(encoder.push, chunk.data, chunk.codec, chunk.sample_rate)
        audio += await asyncio.to_thread(encoder.flush)
    finally:
        await speaker.close()
    return Speech(bytes(audio), encoder.duration_ms, tuple(engines))
