"""Puts the figures of a command into its own section of a page, with the commit and the machine."""

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ("README.md", "docs/reliability.md", "docs/benchmarks.md", "docs/benchmarks")
"""What holds figures: a change there is no change of what is measured."""
GIB = 2**30


class Section:
    """What stands on the page between ``<!-- name -->`` and ``<!-- /name -->``. Make it when the command begins."""

    def __init__(self, name: str, command: str, page: Path = PAGE) -> None:
        self.name = name
        self.facts = f"`{command}`, {_today()}, commit {_commit()}, {_machine()}"
        """Where the figures come from: the load is that of the moment when the command began."""
        self._page = page

    def write(self, figures: str) -> None:
        """Replace the section. Raises ValueError when the page has none of this name."""
        begin, end = f"<!-- {self.name} -->\n", f"<!-- /{self.name} -->"
        before, found, rest = self._page.read_text("utf-8").partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{self._page.name} has no section {self.name}")
        self._page.write_text(f"{before}{begin}{self.facts}.\n\n{figures.strip()}\n{end}{after}", "utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Make a table in Markdown, which reads as well on a terminal."""
    lines = [[str(cell).replace("|", "\\|") for cell in row] for row in [header, *rows]]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(map(str.ljust, line, widths))} |\n" for line in lines)


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _commit() -> str:
    """The commit, ``+changes`` when the tree has others than figures."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changes = _git("status", "--porcelain", "--", ":/", *(f":(exclude,top){path}" for path in FIGURES))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+changes" if changes else commit


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{os.cpu_count()} cores, {memory / GIB:.0f} GiB, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f} at the beginning"
    )
