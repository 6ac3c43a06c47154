"""``simplevoice voices``."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from simplevoice.cli.options import with_settings
from simplevoice.cli.sound import find_player, format_of, playable_format
from simplevoice.cli.voice_choice import complete_voice, find_voice
from simplevoice.config import Config
from simplevoice.config.sources import Settings
from simplevoice.types import LANGUAGES, Language

if TYPE_CHECKING:
    from simplevoice.tts import VoiceInfo

NAMES = {"ar": "Arabic", "en": "English"}
SAMPLES: dict[Language, str] = {
    "ar": "مرحبا، هكذا يبدو صوتي عندما أتحدث معك.",
    "en": "Hello. This is how I sound when we talk.",
}


class VoiceRow(msgspec.Struct, frozen=True):
    """A voice. ``use`` is ``speaks`` for the one in use, ``stands in`` for the one behind it, else empty."""

    language: Language
    voice_type: str
    engine: str
    name: str
    present: bool
    use: str


@click.command()
@click.option("--language", type=click.Choice(LANGUAGES), help="Only the voices of this language.")
@click.option("--json", "raw", is_flag=True, help="Print JSON.")
@click.option("--play", "name", metavar="NAME", shell_complete=complete_voice, help="Let this voice speak.")
@click.option(
    "-o", "--save", "target", type=click.Path(path_type=Path), metavar="FILE", help="Save what it says; with --play."
)
@with_settings()
def voices(settings: Settings, language: Language | None, raw: bool, name: str | None, target: Path | None) -> None:
    """List the voices of every engine, and which of them are in use; or let one speak.

    "speaks" is the voice that a connection hears; "stands in" is the one that it hears while the first fails. Edge's
    voices need the network; whether they can be reached now, simplevoice check tells. --config and the environment
    decide what is in use, as they do for serve.

    \b
    Examples:
      simplevoice voices --language ar
      SIMPLEVOICE_TTS_ENGINE=piper simplevoice voices
      simplevoice voices --play en-us+f5
      simplevoice voices --play ar-SA-ZariyahNeural -o zariyah.mp3
    """
    if target and not name:
        raise click.UsageError("--save needs --play NAME.")
    if name:
        _play(settings.config, name, target)
        return
    rows = [row for row in asyncio.run(_rows(settings.config)) if language in (None, row.language)]
    if raw:
        click.echo(json.dumps(msgspec.to_builtins(rows), indent=2, ensure_ascii=False))
    else:
        _print(rows)


def _play(config: Config, name: str, target: Path | None) -> None:
    """Let a voice say something, aloud or into a file."""
    player = None if target else find_player()
    voice = find_voice(config, name)
    from simplevoice.cli.speaking import Order, speak  # brings the speech engines' room

    order = Order(
        text=SAMPLES[voice.language],
        language=voice.language,
        voice_type=voice.voice_type,
        audio_format=(playable_format(player, None) if player else format_of(target)) or "mp3",
        save=target is not None,
        target=target,
        player=player,
        engine=voice.engine,
    )
    asyncio.run(speak(config, order))


async def _rows(config: Config) -> list[VoiceRow]:
    from simplevoice import tts  # brings the speech engines' room

    everything = await tts.voice_table(config.tts, config.voices, config.models)
    in_order = await tts.create(config.tts, config.voices, config.models).voices()
    return [VoiceRow(v.language, v.voice_type, v.engine, v.name, v.present, _use(v, in_order)) for v in everything]


def _use(voice: "VoiceInfo", in_order: Sequence["VoiceInfo"]) -> str:
    """Tell the part that a voice plays; ``in_order`` are the configured engines' voices, the preferred one first."""
    same = [v for v in in_order if (v.language, v.voice_type) == (voice.language, voice.voice_type) and v.present]
    parts = dict(zip([v.engine for v in same], ("speaks", "stands in"), strict=False))
    return parts.get(voice.engine, "") if voice.present else ""


def _print(rows: Sequence[VoiceRow]) -> None:
    from rich.table import Table
    from rich.text import Text

    from simplevoice.cli.output import console

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("language", "gender", "engine", "name", "here", "use"):
        table.add_column(title, overflow="fold")
    for row in rows:
        here = "network" if row.engine == "edge" else "yes" if row.present else "no"
        style = "bold green" if row.use == "speaks" else "" if row.present else "dim"
        cells = (NAMES[row.language], row.voice_type, row.engine, row.name, here, row.use)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    console().print(table)
