"""Recordings to measure with: a folder of them, each of one utterance."""

from pathlib import Path
from typing import NamedTuple

import click

from simplevoice.speech.codec import decode
from simplevoice.types import INPUT_FORMATS, LANGUAGES, Language

MAX_SECONDS = 600.0


class Clip(NamedTuple):
    """A recording: 16 kHz mono 16-bit."""

    name: str
    language: Language
    pcm: bytes


def read_clips(folder: Path, language: Language) -> list[Clip]:
    """Read the recordings of a folder by name; ``language`` is that of names that begin with neither en- nor ar-.

    Blocks. Raises ClickException where there are none, AudioError.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix[1:].lower() in INPUT_FORMATS)
    if not paths:
        raise click.ClickException(f"no {', '.join(INPUT_FORMATS)} in {folder}")
    return [_read_clip(path, language) for path in paths]


def _read_clip(path: Path, language: Language) -> Clip:
    spoken = next((known for known in LANGUAGES if path.name.startswith(f"{known}-")), language)
    return Clip(path.name, spoken, decode(path.read_bytes(), max_seconds=MAX_SECONDS).raw_data)
