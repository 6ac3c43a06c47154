"""``simplevoice say``."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from simplevoice.cli.options import with_settings
from simplevoice.cli.sound import find_player, format_of, playable_format
from simplevoice.cli.target import Target, optional_target
from simplevoice.cli.voice_choice import complete_voice, find_voice
from simplevoice.config import Config
from simplevoice.config.sources import Settings
from simplevoice.config.table import SETTINGS
from simplevoice.types import AUDIO_FORMATS, LANGUAGES, VOICE_TYPES, AudioFormat, Language, VoiceType

if TYPE_CHECKING:
    from simplevoice.cli.speaking import Order

AS_CONFIGURED = "  [default: as configured]"


@click.command()
@click.argument("text")
@click.option("--language", type=click.Choice(LANGUAGES), help=f"Language of the text.{AS_CONFIGURED}")
@click.option("--voice-type", type=click.Choice(VOICE_TYPES), help=f"Kind of voice.{AS_CONFIGURED}")
@click.option(
    "--voice", metavar="NAME", shell_complete=complete_voice, help="A voice of simplevoice voices; no other stands in."
)
@click.option("--engine", type=click.Choice(SETTINGS["tts.engine"].choices), help=f"Speech engine.{AS_CONFIGURED}")
@click.option(
    "--format",
    "audio_format",
    type=click.Choice(AUDIO_FORMATS),
    help="Audio format.  [default: by the file's name, or mp3]",
)
@click.option(
    "-o", "--save", "target", type=click.Path(path_type=Path), metavar="DIR|FILE", help="Where speech is saved."
)
@click.option("--play", "audible", is_flag=True, help="Play the speech instead of saving it; with --save both.")
@optional_target("A running daemon that speaks.", otherwise="none is needed")
@with_settings()
def say(
    settings: Settings,
    text: str,
    language: Language | None,
    voice_type: VoiceType | None,
    voice: str | None,
    engine: Literal["edge", "espeak", "piper"] | None,
    audio_format: AudioFormat | None,
    target: Path | None,
    audible: bool,
    daemon: Target | None,
) -> None:
    """Speak TEXT, or standard input for -, here or by a running daemon.

    The speech is saved as speech-1.mp3, speech-2.mp3 and so on in the current folder, taking the next number that is
    free; --save says another folder, or a file. With --url the daemon's settings count, and of its voices --voice names
    one that belongs to the engine that speaks.

    \b
    Examples:
      simplevoice say "Good morning" --language en --play
      simplevoice say "Good morning" --voice en-us+f5 -o morning.wav
      simplevoice say "صباح الخير" --voice-type male --save morning.mp3
      simplevoice say "صباح الخير" --url wss://voice.example.org --play
      fortune | simplevoice say - --language en --engine espeak --play
    """
    if daemon and engine:
        raise click.UsageError("--engine is the daemon's to choose.")
    if not daemon and voice and (language or voice_type or engine):
        raise click.UsageError("--voice says the language, the kind of voice and the engine already.")
    player = find_player() if audible else None
    wanted = audio_format or format_of(target)
    from simplevoice.cli.speaking import Order, speak  # brings the speech engines' room

    order = Order(
        text=sys.stdin.read() if text == "-" else text,
        language=language,
        voice_type=voice_type,
        voice=voice,
        audio_format=playable_format(player, wanted) or "mp3" if player else wanted or "mp3",
        save=target is not None or player is None,
        target=target,
        player=player,
    )
    if daemon:
        asyncio.run(speak(daemon, order))
    else:
        config = _with_engine(settings.config, engine)
        asyncio.run(speak(config, _with_voice(order, config)))


def _with_engine(config: Config, engine: Literal["edge", "espeak", "piper"] | None) -> Config:
    if engine is None:
        return config
    return msgspec.structs.replace(config, tts=msgspec.structs.replace(config.tts, engine=engine))


def _with_voice(order: "Order", config: Config) -> "Order":
    """Say of a voice that is named what it speaks and which engine has it, among those that are here."""
    if order.voice is None:
        return order
    found = find_voice(config, order.voice)
    return msgspec.structs.replace(order, language=found.language, voice_type=found.voice_type, engine=found.engine)
