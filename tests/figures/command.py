"""What the commands have in common: they stop by themselves, when interrupted, and when told to, and leave nothing."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

import click

from tests.figures.report import Section, table

INTERRUPTED = 130


class Verdict:
    """The criteria of a run, each with what was found."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, object, str]] = []
        self.passed = True

    def expect(self, criterion: str, found: object, *, met: bool) -> None:
        """Note whether a criterion is met."""
        self._rows.append((criterion, found, "yes" if met else "**no**"))
        self.passed = self.passed and met

    def __str__(self) -> str:
        return table(["expected", "found", "met"], self._rows)


def conclude(section: Section, figures: str, verdict: Verdict) -> bool:
    """Show the figures and put them on the page; gives whether all criteria are met."""
    text = f"{figures}\n{verdict}"
    section.write(text)
    click.echo(f"\n{section.facts}\n\n{text}")
    return verdict.passed


def main(command: Coroutine[None, None, bool]) -> None:
    """Run a command to its end and exit: 0 when it passed, 1 when not, 130 when it was interrupted."""
    try:
        sys.exit(0 if asyncio.run(_until_told(command)) else 1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)


async def _until_told(command: Coroutine[None, None, bool]) -> bool:
    task = asyncio.ensure_future(command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


@contextmanager
def progress(label: str, length: int) -> Iterator["click._termui_impl.ProgressBar[int]"]:
    """Show a bar on a terminal; ``update(1)`` moves it."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar
