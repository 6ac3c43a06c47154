"""Eight utterances that arrive together: as the batcher has them heard, against the same transcriber one by one."""

import asyncio
import time
from collections.abc import Sequence

from simplevoice.stt.judge import words
from simplevoice.stt.whisper import WhisperTranscriber
from tests.benchmarks.recognizers import our_transcriber
from tests.benchmarks.result import Check, Result, Row, side_by_side
from tests.benchmarks.spoken import Utterance, machines, nearest, people
from tests.benchmarks.transcription import joined

LENGTHS = (1, 2, 2, 3, 4, 5, 6, 7)
"""Seconds, as people talk to a machine. What is longer than 7 s has another window, and is another batch."""
TIMES = 10
MOST = 0.6


class _Round:
    """Measures rounds of both sides; keeps when each utterance was done, ms after all had arrived."""

    def __init__(self, engine: WhisperTranscriber, utterances: Sequence[Utterance]) -> None:
        self._engine = engine
        self._utterances = utterances
        self.done: dict[str, list[list[float]]] = {"together": [], "one by one": []}
        self.texts: dict[str, list[list[str]]] = {"together": [], "one by one": []}

    async def together(self) -> float:
        begun = time.perf_counter()
        return self._keep("together", await asyncio.gather(*(self._hear(u, begun) for u in self._utterances)))

    async def one_by_one(self) -> float:
        begun = time.perf_counter()
        return self._keep("one by one", [await self._hear(u, begun) for u in self._utterances])

    async def _hear(self, utterance: Utterance, begun: float) -> tuple[str, float]:
        transcript = await self._engine.transcribe(utterance.audio, utterance.language)
        return transcript.text, (time.perf_counter() - begun) * 1000

    def _keep(self, side: str, heard: Sequence[tuple[str, float]]) -> float:
        self.texts[side].append([text for text, _ in heard])
        self.done[side].append([ms for _, ms in heard])
        return max(self.done[side][-1])


async def run(times: int = TIMES, lengths: Sequence[float] = LENGTHS, sentences: int | None = None) -> Result:
    """Let an utterance of each length arrive at once."""
    spoken = [*people(), *joined(await machines(sentences))]
    utterances = nearest([utterance for utterance in spoken if utterance.language == "en"], lengths)
    async with our_transcriber() as engine:
        measured = _Round(engine, utterances)
        await measured.together()
        await measured.one_by_one()
        ours, alone = await side_by_side(measured.together, measured.one_by_one, times)
    row = Row(f"{len(utterances)} utterances, until the last is done", "ms", ours, alone, MOST)
    return Result([row], [_none_starved(measured), _same_words(measured)])


def _none_starved(measured: _Round) -> Check:
    """Nobody waits for longer than the last in a line would."""
    longest = [max(of_round) / max(line) for of_round, line in zip(*measured.done.values(), strict=True)]
    return Check(
        "none starved: nobody waits for longer than the last of those one by one",
        f"{max(longest):.2f} times its wait at most",
        max(longest) <= 1,
    )


def _same_words(measured: _Round) -> Check:
    said = [[words(text) for text in texts] for side in measured.texts.values() for texts in side]
    different = sum(one != said[0] for one in said)
    return Check("all hear the same words", f"{different} rounds of {len(said)} differ", different == 0)
