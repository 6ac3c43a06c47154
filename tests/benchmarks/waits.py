"""What people waited for an answer, by how many talked at once: as a table and as a picture."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tests.benchmarks.result import MEDIAN, quantile
from tests.benchmarks.talking import Talk
from tests.figures.report import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADER = ("who", "talking", "answered", "split", "median, ms", "p95, ms", "worst, ms", "CPU s a turn")
TICKS_MS = [round(step * 10**power) for power in (2, 3, 4) for step in (1, 2, 5)]


def details(sides: Mapping[str, Sequence[Talk]]) -> str:
    """Write down every run; ``split`` counts the clips that were taken for more than one turn."""
    return table(HEADER, [(who, *_cells(run)) for who, runs in sides.items() for run in runs])


def _cells(run: Talk) -> tuple[object, ...]:
    said, splits = len(run.waits) + run.lost, sum(turn.splits > 0 for turn in run.turns)
    waits = [f"{quantile(run.waits, share):,.0f}" for share in (MEDIAN, 0.95, 1)] if run.waits else ["-"] * 3
    return run.talkers, f"{len(run.waits)} of {said}", splits, *waits, f"{run.cpu_seconds:.1f}"


def draw(figure: "Figure", sides: Mapping[str, Sequence[Talk]]) -> None:
    """Draw every wait as a dot, and a line through the medians."""
    axes = figure.subplots()
    numbers = sorted({run.talkers for runs in sides.values() for run in runs})
    for place, (who, runs) in enumerate(sides.items()):
        aside = (place - (len(sides) - 1) / 2) * 0.16
        waits = {n: [wait for run in runs if run.talkers == n for wait in run.waits] for n in numbers}
        known = {numbers.index(n) + aside: found for n, found in waits.items() if found}
        color = f"C{place}"
        for x, found in known.items():
            axes.plot([x] * len(found), found, "o", color=color, alpha=0.3, markersize=5)
        axes.plot(
            list(known),
            [quantile(found, MEDIAN) for found in known.values()],
            "_-",
            color=color,
            ms=16,
            mew=2.5,
            label=who,
        )
    axes.set(yscale="log", xlabel="talking at once", ylabel="ms until the answer that stays")
    axes.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    least, most = axes.get_ylim()
    axes.set_yticks([tick for tick in TICKS_MS if least <= tick <= most])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
