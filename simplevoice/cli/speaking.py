"""What ``simplevoice say`` does: have a text spoken, here or by a daemon, and save or play it."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import click
import msgspec

from simplevoice import client, tts
from simplevoice.cli.output import console
from simplevoice.cli.sound import play, save
from simplevoice.cli.target import Target
from simplevoice.client import Delivery
from simplevoice.config import Config
from simplevoice.errors import SpeechError
from simplevoice.speech.codec import decode
from simplevoice.speech.encode import SpeechEncoder
from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioFormat, Language, VoiceType

SPEAK_SECONDS = 120.0
LONGEST_SPEECH_SECONDS = 3600.0
"""The longest text that a daemon takes, spoken as slowly as a voice can, is a quarter of it."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to speak, how, and where it goes; None leaves it to the configuration of whoever speaks.

    An ``engine`` speaks alone: nobody stands in for it.
    """

    text: str
    audio_format: AudioFormat
    language: Language | None = None
    voice_type: VoiceType | None = None
    voice: str | None = None
    engine: str | None = None
    save: bool
    target: Path | None
    player: str | None


class Speech(msgspec.Struct, frozen=True):
    """A text, spoken. ``by`` names the engines that spoke, in order, or the daemon."""

    audio: bytes
    duration_ms: int
    by: str


async def speak(speaker: Config | Target, order: Order) -> None:
    """Have it spoken, with these settings or by this daemon, and say where the speech went.

    Raises SpeechError, ModelError, ConnectionFailedError or ClickException.
    """
    speech = await (_request(speaker, order) if isinstance(speaker, Target) else _synthesize(speaker, order))
    where = f"{await _save(speech, order)}, " if order.save else ""
    console().print(f"{where}{speech.duration_ms / 1000:.1f} s of {order.audio_format} by {speech.by}")
    if order.player:
        await asyncio.to_thread(play, order.player, speech.audio, order.audio_format, speech.duration_ms)


async def _save(speech: Speech, order: Order) -> Path:
    try:
        return await asyncio.to_thread(save, speech.audio, order.audio_format, order.target, "speech")
    except OSError as error:
        raise click.ClickException(f"the speech can't be saved: {error}") from None


async def _request(daemon: Target, order: Order) -> Speech:
    delivery: Delivery = {"audio_format": order.audio_format}
    if order.language:
        delivery["language"] = order.language
    if order.voice_type:
        delivery["voice_type"] = order.voice_type
    if order.voice:
        delivery["voice"] = order.voice
    audio = await client.speak(
        order.text, daemon.url, token=daemon.token, tls=daemon.tls, seconds=SPEAK_SECONDS, **delivery
    )
    return Speech(audio, await asyncio.to_thread(_duration_ms, audio, order.audio_format), daemon.url)


def _duration_ms(audio: bytes, audio_format: AudioFormat) -> int:
    if audio_format == "pcm16":
        return len(audio) // 2 * 1000 // OUTPUT_SAMPLE_RATE
    return len(decode(audio, max_seconds=LONGEST_SPEECH_SECONDS))


async def _synthesize(config: Config, order: Order) -> Speech:
    try:
        async with asyncio.timeout(SPEAK_SECONDS):
            return await _speak_here(config, order)
    except TimeoutError:
        raise SpeechError(f"no speech within {SPEAK_SECONDS:g} s") from None


async def _speak_here(config: Config, order: Order) -> Speech:
    rooms = config.tts, config.voices, config.models
    speaker = tts.create_engine(order.engine, *rooms) if order.engine else tts.create(*rooms)
    voice = tts.Voice(
        language=order.language or config.conversation.language,
        voice_type=order.voice_type or config.conversation.voice_type,
        name=order.voice,
    )
    encoder = SpeechEncoder(order.audio_format)
    engines: dict[str, None] = {}
    audio = bytearray()
    try:
        await speaker.load()
        await speaker.warm_up()
        async with aclosing(speaker.synthesize(order.text, voice)) as chunks:
            async for chunk in chunks:
                engines[chunk.engine] = None
                audio += await asyncio.to_thread(encoder.push, chunk.data, chunk.codec, chunk.sample_rate)
        audio += await asyncio.to_thread(encoder.flush)
    finally:
        await speaker.close()
    return Speech(bytes(audio), encoder.duration_ms, ", ".join(engines))
