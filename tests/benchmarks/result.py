"""What a benchmark found: rows, each against a yardstick, and conditions that are met or not."""

import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.figures.report import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEDIAN = 0.5
HEADER = ("what", "ours, median / p95", "yardstick, median / p95", "ratio", "at most", "met")


def quantile(samples: Sequence[float], share: float) -> float:
    """Take the nearest rank: the smallest sample that at least this share of them doesn't exceed."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


class Line(msgspec.Struct, frozen=True):
    """What stands in a table with HEADER, and the figures that a picture needs."""

    cells: tuple[str, ...]
    ratio: float | None
    most: float | None
    met: bool


class Row(msgspec.Struct, frozen=True):
    """All samples of both sides: outliers count. ``at`` is the quantile whose ratio must not exceed ``most``."""

    what: str
    unit: str
    ours: list[float]
    yardstick: list[float]
    most: float
    at: float = MEDIAN

    @property
    def ratio(self) -> float:
        """Ours over the yardstick."""
        return quantile(self.ours, self.at) / quantile(self.yardstick, self.at)

    @property
    def met(self) -> bool:
        """Whether it reaches what was promised."""
        return self.ratio <= self.most

    def line(self) -> Line:
        """Write it down."""
        name = f"{self.what}, p{100 * self.at:g}" if self.at != MEDIAN else self.what
        sides = (f"{_pair(side)} {self.unit}" for side in (self.ours, self.yardstick))
        cells = (name, *sides, f"{self.ratio:.2f}", f"{self.most:g}", _word(self.met))
        return Line(cells, self.ratio, self.most, self.met)


class Check(msgspec.Struct, frozen=True):
    """Something that has to be so, whatever the yardstick does."""

    what: str
    found: str
    met: bool

    def line(self) -> Line:
        """Write it down."""
        return Line((self.what, self.found, "", "", "", _word(self.met)), None, None, self.met)


class Skipped(msgspec.Struct, frozen=True):
    """What this machine can't measure, and why; that is no failure."""

    what: str
    why: str

    def line(self) -> Line:
        """Write it down."""
        return Line((self.what, f"skipped: {self.why}", "", "", "", "-"), None, None, met=True)


class Result(msgspec.Struct):
    """What one benchmark has to say. ``details`` is Markdown below its table."""

    rows: list[Row] = msgspec.field(default_factory=list)
    checks: list[Check] = msgspec.field(default_factory=list)
    details: str = ""
    draw: "Callable[[Figure], None] | None" = None
    """Draws docs/benchmarks/NAME.svg, where a picture says more than the table."""
    skipped: list[Skipped] = msgspec.field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        """What it found, row by row."""
        found: list[Row | Check | Skipped] = [*self.rows, *self.checks, *self.skipped]
        return [one.line() for one in found]

    @property
    def met(self) -> bool:
        """Whether all of it reaches what was promised."""
        return all(line.met for line in self.lines)

    def table(self) -> str:
        """Write all of it down; nothing where there is only something to tell."""
        return "" if not self.lines else table(HEADER, [line.cells for line in self.lines])


async def side_by_side(
    ours: Callable[[], Awaitable[float]], yardstick: Callable[[], Awaitable[float]], times: int
) -> tuple[list[float], list[float]]:
    """Measure both sides in turns, so that what else the machine does strikes both; who begins changes every time."""
    samples: tuple[list[float], list[float]] = ([], [])
    sides = (ours, yardstick)
    for number in range(times):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            samples[side].append(await sides[side]())
    return samples


def save(draw: "Callable[[Figure], None]", path: Path) -> None:
    """Draw a picture for the page."""
    from matplotlib.figure import Figure  # takes long to import

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    draw(figure)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def _pair(samples: Sequence[float]) -> str:
    if len(samples) == 1:
        return _short(samples[0])
    return f"{_short(quantile(samples, MEDIAN))} / {_short(quantile(samples, 0.95))}"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _word(met: bool) -> str:
    return "yes" if met else "**no**"
