"""``simplevoice bench``: what this machine and these settings do with recordings."""

import asyncio
from functools import partial
from pathlib import Path

import click
import msgspec

from simplevoice.cli.options import SectionedCommand, with_settings
from simplevoice.cli.plot import draw, plot_path
from simplevoice.cli.target import Target, optional_target
from simplevoice.config.sources import Settings
from simplevoice.types import LANGUAGES, Language

RULES = ("silence", "smart-turn", "transcript", "all")

_folder = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
_language = click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Language of clips whose name begins with neither en- nor ar-.  [as configured]",
)
_json = partial(click.option, "--json", "as_json", is_flag=True)
_plot = click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.png|FILE.svg",
    callback=plot_path,
    help="Draw how the waits are distributed, and where the time went; needs the extra plot.",
)


@click.group()
def bench() -> None:
    """Measure turn detection, latency and load with your own recordings."""


@bench.command()
@_folder
@click.option("--rules", multiple=True, type=click.Choice(RULES), help="Measure only these; repeatable.  [all four]")
@_language
@_json(help="Print JSON.")
@with_settings("turns", "stt", "models")
def endpoint(
    settings: Settings, folder: Path, rules: tuple[str, ...], language: Language | None, as_json: bool
) -> None:
    """Measure how soon the end of a turn is found.

    Every clip in FOLDER is one turn, followed by silence. Shown is how long after the last sound the turn was over, and
    where a clip was split into more turns than one, for plain silence, with the Smart Turn model, with the transcript,
    and with both. The clips are not played: time is counted in their samples, and what the evidence takes to compute
    is measured and added.
    """
    from simplevoice.cli.turn_bench import measure, show  # brings the models' libraries

    config = settings.config
    reports = asyncio.run(measure(config, folder, rules or RULES, language or config.conversation.language))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(reports)))
    else:
        show(reports)


@bench.command(cls=SectionedCommand)
@_folder
@click.option(
    "--reps", type=click.IntRange(1, 1000), default=5, show_default=True, help="Times that each clip is spoken."
)
@click.option(
    "--clients",
    multiple=True,
    type=click.IntRange(1, 64),
    metavar="N",
    help="Speak as N clients at once; repeatable, for a run of each.  [1]",
)
@_language
@_json(help="Print JSON, with every turn.")
@_plot
@optional_target("A running daemon to measure.", otherwise="one that is started for it")
@with_settings("turns", "stt", "llm", "tts", "models")
def latency(
    settings: Settings,
    folder: Path,
    reps: int,
    clients: tuple[int, ...],
    language: Language | None,
    as_json: bool,
    plot: Path | None,
    daemon: Target | None,
) -> None:
    """Measure how long a person waits for an answer.

    Every clip in FOLDER is spoken to a daemon in real time, and time counts from when the last frame that holds speech
    was sent: to the decision that the turn is over, to the first sound of any answer, and to that of the one that
    stays. Without --url a daemon is started, with the settings in force but espeak as voice unless another is set, and
    stopped again. One repetition takes about 4 s a clip, and the clip.

    \b
    Examples:
      simplevoice bench latency recordings/
      simplevoice bench latency recordings/ --reps 10 --tts-engine piper --plot latency.png
      simplevoice bench latency recordings/ --url ws://voice.example.org --clients 1 --clients 4
    """
    _check_settings(settings, daemon)
    from simplevoice.cli.latency_bench import Plan, measure, measure_own, picture, show  # aiohttp takes long to import

    plan = Plan(folder, language or settings.config.conversation.language, reps, clients or (1,))
    report = asyncio.run(measure(plan, daemon) if daemon else measure_own(plan, settings))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        show(report)
    if plot:
        draw(picture(report), plot)


@bench.command(cls=SectionedCommand)
@_folder
@click.option("--talkers", type=click.IntRange(1, 4096), default=4, show_default=True, help="Clients at once.")
@click.option("--turns", type=click.IntRange(1, 100_000), default=10, show_default=True, help="Turns that each has.")
@_language
@_json(help="Print JSON, with every turn.")
@_plot
@optional_target("A running daemon to measure.", otherwise="one that is started for it")
@with_settings("limits", "stt", "llm", "tts", "models")
def load(
    settings: Settings,
    folder: Path,
    talkers: int,
    turns: int,
    language: Language | None,
    as_json: bool,
    plot: Path | None,
    daemon: Target | None,
) -> None:
    """Measure what many talkers at once get.

    Each talker sends a clip of FOLDER as one whole utterance, and the next when that is answered, so that there is
    always somebody to answer. Shown is what became of the turns, how long answers took, and the processor and memory
    that the daemon used, by its own metrics. Without --url a daemon is started, with the settings in force, espeak as
    voice unless another is set and no bound on what a single client may ask, and stopped again.

    \b
    Examples:
      simplevoice bench load recordings/ --talkers 8
      simplevoice bench load recordings/ --talkers 50 --turns 20 --url ws://voice.example.org --plot load.svg
    """
    _check_settings(settings, daemon)
    from simplevoice.cli.load_bench import Plan, measure, measure_own, picture, show  # aiohttp takes long to import

    plan = Plan(folder, language or settings.config.conversation.language, talkers, turns)
    report = asyncio.run(measure(plan, daemon) if daemon else measure_own(plan, settings))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        show(report)
    if plot:
        draw(picture(report), plot)


def _check_settings(settings: Settings, daemon: Target | None) -> None:
    """Refuse flags of the daemon where it runs already."""
    changed = [origin for origin in settings.origins.values() if origin.startswith("--")]
    if daemon and changed:
        raise click.UsageError(f"{changed[0]} is no setting of a daemon that runs already.")
