"""All rows of the last runs in one table and one picture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.result import HEADER, Line
from tests.figures.report import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACHED, SHORT = "#2f7d5b", "#b5482e"

HEADLINES = {
    ("peer", "1 talking"): ("last word to first sound, one talks", "Pipecat, same weights"),
    ("peer", "8 talking"): ("the same, eight talk at once", "Pipecat, same weights"),
    ("peer", "8 talking, peak memory"): ("memory for these eight", "Pipecat, same weights"),
    ("transcription", "an utterance of 1 to 8 s"): ("until an utterance is heard", "faster-whisper, same weights"),
    ("edge", "first audio of a two-sentence reply"): ("first sound of a reply by Edge", "edge-tts, saved and read"),
    ("idle", "asyncio: memory of an idle connection, 2,000 of them"): ("memory of an idle connection", "a bare echo"),
    ("starting", "start to ready"): ("start until it is ready", "loading the same Whisper alone"),
}
"""The rows of README.md, by benchmark and row: what is measured, and beside what."""


class Standing(msgspec.Struct, frozen=True):
    """What a benchmark found when it last ran, and from where: commit, machine, day."""

    facts: str
    lines: list[Line]


def overview(standings: Mapping[str, Standing]) -> str:
    """Write all rows down, each with the name of its benchmark."""
    lines = [(f"[{name}](#{name})", *line.cells) for name, standing in standings.items() for line in standing.lines]
    return table(("benchmark", *HEADER), lines)


def headlines(standings: Mapping[str, Standing]) -> str:
    """Write down the rows that README.md shows, good or bad."""
    cells = {(name, line.cells[0]): line.cells for name, standing in standings.items() for line in standing.lines}
    rows = []
    for (bench, row), (what, beside) in HEADLINES.items():
        if found := cells.get((bench, row)):
            _, ours, yardstick, ratio, *_ = found
            rows.append((what, ours, yardstick, f"[{beside}](docs/benchmarks.md#{bench})", ratio))
    return table(("median / p95", "simplevoice", "yardstick", "which is", "ratio"), rows)


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
