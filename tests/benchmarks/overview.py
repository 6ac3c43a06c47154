"""All rows of the last runs in one table and one picture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.result import HEADER, Line
from tests.figures.report import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACHED, SHORT = "#2f7d5b", "#b5482e"


class Standing(msgspec.Struct, frozen=True):
    """What a benchmark found when it last ran, and from where: commit, machine, day."""

    facts: str
    lines: list[Line]


def overview(standings: Mapping[str, Standing]) -> str:
    """Write all rows down, each with the name of its benchmark."""
    lines = [(f"[{name}](#{name})", *line.cells) for name, standing in standings.items() for line in standing.lines]
    return table(("benchmark", *HEADER), lines)


def draw_overview(figure: "Figure", standings: Mapping[str, Standing]) -> None:
    """Draw each ratio as a bar, with a mark where it has to end. Half and twice are as far from 1."""
    bars = [
        (f"{name}: {line.cells[0]}".replace("`", ""), line.ratio, line.most, line.met)
        for name, standing in standings.items()
        for line in standing.lines
        if line.ratio and line.most
    ]
    figure.set_size_inches(9, 1.2 + 0.3 * len(bars))
    axes = figure.subplots()
    rows = range(len(bars))  # two benchmarks may have a row of the same name
    axes.barh(rows, [ratio for _, ratio, *_ in bars], color=[REACHED if met else SHORT for *_, met in bars], height=0.6)
    axes.plot([most for _, _, most, _ in bars], rows, "|", color="black", markersize=14, label="at most")
    axes.set_yticks(rows, [label for label, *_ in bars])
    axes.axvline(1, color="grey", linewidth=0.8, label="the yardstick")
    axes.set(xscale="log", xlabel="ours, in multiples of the yardstick")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
