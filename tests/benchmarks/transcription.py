"""How long an utterance of 1 to 8 s takes to be heard: ours, against faster-whisper's own ``transcribe``."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.benchmarks.places import Place, places
from tests.benchmarks.recognizers import Recognizers, recognizers
from tests.benchmarks.result import MEDIAN, Result, Row, quantile, side_by_side
from tests.benchmarks.spoken import Utterance, machines, nearest, people
from tests.figures.report import table

LENGTHS = range(1, 9)
TIMES = 5
MOST = 0.4


class Measured(NamedTuple):
    """How long an utterance took each time, ms."""

    utterance: Utterance
    ours: list[float]
    stock: list[float]


async def run(times: int = TIMES, lengths: Sequence[float] = LENGTHS, sentences: int | None = None) -> Result:
    """Hear the same utterances, one of each length, that people and machines spoke."""
    utterances = nearest([*people(), *joined(await machines(sentences))], lengths)
    what = f"an utterance of {lengths[0]:g} to {lengths[-1]:g} s"
    here, skipped = places(what)
    result = Result(skipped=skipped)
    for place in here:
        measured = await _measure_all(place, utterances, times)
        ours = [sample for one in measured for sample in one.ours]
        stock = [sample for one in measured for sample in one.stock]
        result.rows.append(Row(place.name(what), "ms", ours, stock, MOST))
        result.details += place.title(_table(measured))
    return result


def joined(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Add what one voice says in two sentences, which is longer than any of them."""
    pairs = [
        Utterance(f"{a.text} {b.text}", a.language, a.who, a.audio + b.audio)
        for a, b in pairwise(utterances)
        if (a.who, a.language) == (b.who, b.language)
    ]
    return [*utterances, *pairs]


async def _measure_all(place: Place, utterances: Sequence[Utterance], times: int) -> list[Measured]:
    measured = []
    async with recognizers(place) as both:
        for utterance in utterances:
            await both.ours(utterance)
            await both.stock(utterance)
            measured.append(Measured(utterance, *await _measure(both, utterance, times)))
    return measured


async def _measure(both: Recognizers, utterance: Utterance, times: int) -> tuple[list[float], list[float]]:
    async def ours() -> float:
        return (await both.ours(utterance)).ms

    async def stock() -> float:
        return (await both.stock(utterance)).ms

    return await side_by_side(ours, stock, times)


def _table(measured: Sequence[Measured]) -> str:
    lines = []
    for utterance, *sides in measured:
        ours, stock = (quantile(side, MEDIAN) for side in sides)
        length = f"{utterance.seconds:.1f} s"
        lines.append((length, utterance.language, utterance.who, f"{ours:.0f}", f"{stock:.0f}", f"{ours / stock:.2f}"))
    return table(("utterance", "language", "spoken by", "ours, ms", "yardstick, ms", "ratio"), lines)
