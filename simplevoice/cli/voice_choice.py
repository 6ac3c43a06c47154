"""A voice by its name, among those of all engines."""

import asyncio
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from simplevoice.config import Config
from simplevoice.config.sources import load
from simplevoice.errors import ConfigError

if TYPE_CHECKING:
    from simplevoice.tts import VoiceInfo


def find_voice(config: Config, name: str) -> "VoiceInfo":
    """Find a voice that can speak on this machine, or raise a usage error that says which there are."""
    known = _voices(config)
    found = next((voice for voice in known if voice.name == name), None)
    if found is None:
        raise click.UsageError(f"there is no voice {name!r}; there are {', '.join(voice.name for voice in known)}.")
    if not found.present:
        raise click.UsageError(f"the voice {name} has no weights here: simplevoice models pull {name}")
    return found


def complete_voice(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of the voices that can speak on this machine."""
    try:
        voices = _voices(load().config)
    except ConfigError:
        return []
    present = [voice for voice in voices if voice.present and voice.name.startswith(incomplete)]
    return [CompletionItem(v.name, help=f"{v.language} {v.voice_type} {v.engine}") for v in present]


def _voices(config: Config) -> "list[VoiceInfo]":
    from simplevoice import tts  # brings the speech engines' room

    return asyncio.run(tts.voice_table(config.tts, config.voices, config.models))
