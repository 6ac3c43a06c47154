"""``make bench``: runs the benchmarks, or those that are named, and writes docs/benchmarks.md with its pictures.

What README.md says of them is written, too.

``python -m tests.benchmarks gateway decoding``. Exits with 1 when a row falls short of its figure.
"""

import argparse
import importlib
import os
from collections.abc import Awaitable, Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `simplevoice serve` does, and as early: numpy reads it once

import click
import msgspec

from tests.benchmarks.overview import Standing, draw_overview, headlines, overview
from tests.benchmarks.result import Result, save
from tests.figures.command import main
from tests.figures.report import ROOT, Section

PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "benchmarks"
STANDINGS = PICTURES / "standings.json"
BENCHES = (
    "gateway",
    "idle",
    "transcription",
    "words",
    "batch",
    "edge",
    "voice",
    "peer",
    "turn",
    "decoding",
    "starting",
)
"""The modules, in the order of the page; each has ``async def run() -> Result``."""


async def command(names: list[str]) -> bool:
    """Run them one after the other; what was measured is on the page as soon as it is known."""
    met = True
    for name in names:
        click.echo(f"\n# {name}", err=True)
        section = Section(name, f"make bench BENCH={name}", PAGE)
        run: Callable[[], Awaitable[Result]] = importlib.import_module(f"tests.benchmarks.{name}").run
        result = await run()
        _publish(section, result)
        click.echo(f"\n{section.facts}\n\n{result.table()}\n{result.details}")
        met = met and result.met
    return met


def _publish(section: Section, result: Result) -> None:
    """Put it on the page, and what all benchmarks found before the first of them."""
    picture = ""
    if result.draw:
        save(result.draw, PICTURES / f"{section.name}.svg")
        picture = f"![{section.name}](benchmarks/{section.name}.svg)\n"
    section.write("\n".join(part.strip() + "\n" for part in (result.table(), result.details, picture) if part))
    standings = _standings()
    standings[section.name] = Standing(section.facts, result.lines)
    in_order = {name: standings[name] for name in BENCHES if name in standings}
    PICTURES.mkdir(exist_ok=True)
    STANDINGS.write_bytes(msgspec.json.format(msgspec.json.encode(in_order)) + b"\n")
    Section("overview", "make bench", PAGE).write(overview(in_order))
    Section("figures", "make bench", README).write(headlines(in_order))
    save(lambda figure: draw_overview(figure, in_order), PICTURES / "overview.svg")


def _standings() -> dict[str, Standing]:
    if not STANDINGS.exists():
        return {}
    return msgspec.json.decode(STANDINGS.read_bytes(), type=dict[str, Standing])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("names", nargs="*", choices=BENCHES, default=list(BENCHES))
    main(command(options.parse_args().names))
