"""Eight utterances that arrive together: as the batcher has them heard, against the same transcriber one by one."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from simplevoice.stt.judge import words
from simplevoice.stt.whisper import WhisperTranscriber
from tests.benchmarks.places import Place, places
from tests.benchmarks.recognizers import our_transcriber
from tests.benchmarks.result import MEDIAN, Check, Result, Row, quantile, side_by_side
from tests.benchmarks.spoken import Utterance, machines, nearest, people
from tests.benchmarks.steps import Steps, watched_steps
from tests.benchmarks.transcription import joined
from tests.figures.report import table

LENGTHS = (1, 2, 2, 3, 4, 5, 6, 7)
"""Seconds, as people talk to a machine. What is longer than 7 s has another window, and is another batch."""
TIMES = 10
MOST = 0.6
SIDES = TOGETHER, ONE_BY_ONE = "together", "one by one"


class _Round(NamedTuple):
    """What came of a round: ms until the last was done, and of them each step of Whisper; the words of each."""

    ms: float
    steps: dict[str, float]
    words: list[list[str]]


class _Rounds:
    """Measures rounds of both sides."""

    def __init__(self, engine: WhisperTranscriber, utterances: Sequence[Utterance], steps: Steps) -> None:
        self._engine = engine
        self._utterances = utterances
        self._steps = steps
        self.rounds: dict[str, list[_Round]] = {side: [] for side in SIDES}

    def forget(self) -> None:
        """Leave out what was measured so far."""
        for rounds in self.rounds.values():
            rounds.clear()

    async def together(self) -> float:
        return await self._measure(TOGETHER, asyncio.gather(*map(self._hear, self._utterances)))

    async def one_by_one(self) -> float:
        return await self._measure(ONE_BY_ONE, self._hear_each())

    async def _hear_each(self) -> list[str]:
        return [await self._hear(utterance) for utterance in self._utterances]

    async def _hear(self, utterance: Utterance) -> str:
        return (await self._engine.transcribe(utterance.audio, utterance.language)).text

    async def _measure(self, side: str, hearing: Awaitable[list[str]]) -> float:
        self._steps.clear()
        begun = time.perf_counter()
        texts = await hearing
        ms = (time.perf_counter() - begun) * 1000
        self.rounds[side].append(_Round(ms, self._steps.take(ms), [words(text) for text in texts]))
        return ms


async def run(times: int = TIMES, lengths: Sequence[float] = LENGTHS, sentences: int | None = None) -> Result:
    """Let an utterance of each length arrive at once."""
    spoken = [*people(), *joined(await machines(sentences))]
    utterances = nearest([utterance for utterance in spoken if utterance.language == "en"], lengths)
    what = f"{len(utterances)} utterances, until the last is done"
    here, skipped = places(what)
    result = Result(skipped=skipped)
    for place in here:
        with watched_steps() as steps:
            async with our_transcriber(place) as engine:
                measured = _Rounds(engine, utterances, steps)
                await measured.together()
                await measured.one_by_one()
                measured.forget()
                ours, alone = await side_by_side(measured.together, measured.one_by_one, times)
        result.rows.append(Row(place.name(what), "ms", ours, alone, MOST))
        result.checks += [_none_starved(measured, place), _same_words(measured, place)]
        result.details += place.title(_where_the_time_goes(measured))
    return result


def _none_starved(measured: _Rounds, place: Place) -> Check:
    """Nobody waits for longer than the last in a line would."""
    together, one_by_one = (measured.rounds[side] for side in SIDES)
    longest = [a.ms / b.ms for a, b in zip(together, one_by_one, strict=True)]
    return Check(
        place.name("none starved: nobody waits for longer than the last of those one by one"),
        f"{max(longest):.2f} times its wait at most",
        max(longest) <= 1,
    )


def _same_words(measured: _Rounds, place: Place) -> Check:
    said = [one.words for rounds in measured.rounds.values() for one in rounds]
    different = sum(one != said[0] for one in said)
    return Check(place.name("all hear the same words"), f"{different} rounds of {len(said)} differ", different == 0)


def _where_the_time_goes(measured: _Rounds) -> str:
    """Tell the medians of both sides, step by step."""
    rows = []
    for step in measured.rounds[TOGETHER][0].steps:
        medians = (quantile([one.steps[step] for one in measured.rounds[side]], MEDIAN) for side in SIDES)
        rows.append((step, *(f"{median:.0f}" for median in medians)))
    return table(("where the time goes", *(f"{side}, ms" for side in SIDES)), rows)
