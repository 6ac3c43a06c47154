"""``simplevoice bench``: what this machine and these settings do with recordings."""

import asyncio
from pathlib import Path

import click
import msgspec

from simplevoice.cli.options import with_settings
from simplevoice.config_sources import Settings
from simplevoice.types import LANGUAGES, Language

RULES = ("silence", "smart-turn", "transcript", "all")


@click.group()
def bench() -> None:
    """Measure with recordings of one's own."""


@bench.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--rules", multiple=True, type=click.Choice(RULES), help="Measure only these; repeatable.  [all four]")
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Language of clips whose name begins with neither en- nor ar-.  [as configured]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings("turns", "stt", "models")
def endpoint(
    settings: Settings, folder: Path, rules: tuple[str, ...], language: Language | None, as_json: bool
) -> None:
    """Measure turn detection: every clip in FOLDER is one turn, followed by silence.

    Shown is how long after the last sound the turn was over, and where a clip was split into more turns than one, for
    plain silence, with the Smart Turn model, with the transcript, and with both. The clips are not played: time is
    counted in their samples, and what the evidence takes to compute is measured and added.
    """
    from simplevoice.cli.turn_bench import measure, show  # brings the models' libraries

    config = settings.config
    reports = asyncio.run(measure(config, folder, rules or RULES, language or config.conversation.language))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(reports)))
    else:
        show(reports)
