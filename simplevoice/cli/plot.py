"""Measurements as a picture: how the waits are distributed, and where the time went."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = (".png", ".svg")
BINS = 24
STAGES = {
    "endpoint": "turn over",
    "decode": "decoded",
    "transcribe": "transcript",
    "first_text": "first text",
    "first_audio": "first audio",
}
"""In the order in which they are reached."""


class Picture(msgspec.Struct, frozen=True):
    """What is drawn: ``waits`` in ms by series, and the median ms at which each clip reached each stage."""

    title: str
    waits: Mapping[str, Sequence[float]]
    stages: Mapping[str, Mapping[str, float]]


def plot_path(_context: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Refuse what can't be drawn before anything is measured."""
    if path is None:
        return None
    if path.suffix.lower() not in KINDS:
        raise click.BadParameter(f"{path} is neither {' nor '.join(KINDS)}.")
    try:
        import matplotlib  # noqa: F401 - whether it is there
    except ImportError:
        raise click.BadParameter("pictures need the extra plot: pip install 'simplevoice[plot]'.") from None
    return path


def draw(picture: Picture, path: Path) -> None:
    """Write the picture. Blocks. Raises ClickException where it can't be written."""
    from matplotlib.figure import Figure  # takes long to import, and is in an extra

    clips = len(picture.stages)
    figure = Figure(figsize=(9, 4.2 + 0.4 * clips), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1 + 0.4 * clips])
    figure.suptitle(picture.title)
    _histogram(above, picture.waits)
    _bars(below, picture.stages)
    try:
        figure.savefig(path, dpi=144)
    except OSError as error:
        raise click.ClickException(f"the picture can't be written: {error}") from None


def _histogram(axes: "Axes", waits: Mapping[str, Sequence[float]]) -> None:
    known = {label: values for label, values in waits.items() if values}
    axes.set(xlabel="ms until the answer sounds", ylabel="turns")
    axes.locator_params(axis="y", integer=True)
    if known:
        axes.hist(list(known.values()), bins=BINS, label=list(known))
        axes.set_xlim(left=0)
        axes.legend(frameon=False)
    _tidy(axes)


def _bars(axes: "Axes", stages: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a bar a clip; each stage's piece runs from the stage before it."""
    began: dict[str, float] = dict.fromkeys(stages, 0.0)
    for stage, label in STAGES.items():
        reached = {clip: times[stage] for clip, times in stages.items() if stage in times}
        if not reached:
            continue
        lengths = [max(0.0, at - began[clip]) for clip, at in reached.items()]
        axes.barh(list(reached), lengths, left=[began[clip] for clip in reached], label=label, height=0.6)
        began.update({clip: max(at, began[clip]) for clip, at in reached.items()})
    axes.set(xlabel="ms after the end of speech, as the daemon tells (medians)")
    axes.invert_yaxis()
    if any(began.values()):
        axes.legend(frameon=False, ncols=len(STAGES), loc="lower left", bbox_to_anchor=(0, 1))
    _tidy(axes)


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
