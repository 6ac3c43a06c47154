"""Whether speed costs words: word error rates and the longest waits, against faster-whisper's own ``transcribe``."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, get_args

import jiwer

from simplevoice.stt.judge import is_loop, words
from simplevoice.types import Language
from tests.benchmarks.recognizers import Heard, recognizers
from tests.benchmarks.result import Check, Result, Row
from tests.benchmarks.spoken import Utterance, Who, machines, people, with_noise
from tests.figures.report import table

NAMES: dict[Language, str] = {"en": "English", "ar": "Arabic"}
NOISE_DECIBELS = 10
MOST_POINTS = 0.5
LONGEST = 1.0
"""The quantile of which nobody waits for longer."""


class Hearing(NamedTuple):
    """What both sides heard of an utterance."""

    utterance: Utterance
    ours: Heard
    stock: Heard


async def run(sentences: int | None = None) -> Result:
    """Hear people, and sentences that machines speak, clean and in noise; who begins changes every time."""
    clean = [*people(), *await machines(sentences)]
    utterances = [*clean, *(with_noise(utterance, NOISE_DECIBELS) for utterance in clean)]
    hearings = []
    async with recognizers() as both:
        for number, utterance in enumerate(utterances):
            if number % 2:
                stock, ours = await both.stock(utterance), await both.ours(utterance)
            else:
                ours, stock = await both.ours(utterance), await both.stock(utterance)
            hearings.append(Hearing(utterance, ours, stock))
    row = Row(
        "the longest that an utterance took",
        "ms",
        [h.ours.ms for h in hearings],
        [h.stock.ms for h in hearings],
        most=1.0,
        at=LONGEST,
    )
    return Result([row], checks(hearings), table_of(hearings))


def error_rate(utterances: Sequence[Utterance], texts: Sequence[str]) -> float:
    """Percentage of words that were added, left out or heard as others, of all words that were said."""
    said = [" ".join(words(utterance.text)) for utterance in utterances]
    return 100 * float(jiwer.wer(said, [" ".join(words(text)) for text in texts]))


def _rates(hearings: Sequence[Hearing]) -> tuple[float, float]:
    utterances = [h.utterance for h in hearings]
    ours, stock = ([heard.text for heard in side] for side in list(zip(*hearings, strict=True))[1:])
    return error_rate(utterances, ours), error_rate(utterances, stock)


def checks(hearings: Sequence[Hearing]) -> list[Check]:
    """Judge what was heard."""
    ours, stock = _rates(hearings)
    loops = [sum(is_loop(heard.text) for heard in side) for side in list(zip(*hearings, strict=True))[1:]]
    return [
        Check(
            f"word error rate, at most {MOST_POINTS:g} points above",
            f"{ours:.1f} %, the yardstick {stock:.1f} %",
            ours <= stock + MOST_POINTS,
        ),
        Check("no transcript says the same for ever", f"{loops[0]}, the yardstick {loops[1]}", loops[0] == 0),
    ]


def _groups(hearings: Sequence[Hearing]) -> Iterator[tuple[str, list[Hearing]]]:
    """Divide by how it sounds: a name, and what is like it."""
    for noisy, (language, name), who in product((False, True), NAMES.items(), get_args(Who)):
        like = (noisy, language, who)
        group = [h for h in hearings if (h.utterance.noisy, h.utterance.language, h.utterance.who) == like]
        if group:
            yield f"{name}, {who}{f', noise at {NOISE_DECIBELS} dB' if noisy else ''}", group


def table_of(hearings: Sequence[Hearing]) -> str:
    """Tell the error rates of each sort of speech."""
    lines = [
        (name, len(group), sum(len(words(h.utterance.text)) for h in group), *(f"{rate:.1f}" for rate in _rates(group)))
        for name, group in _groups(hearings)
    ]
    return table(("speech", "utterances", "words", "ours, errors in %", "yardstick, errors in %"), lines)
