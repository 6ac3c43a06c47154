"""Voice to voice: our daemon, against itself without ahead-of-time work and with the stock transcriber."""

import asyncio
import math
from collections.abc import Sequence

from simplevoice.cli.clips import Clip
from tests.benchmarks.places import CPU, Place, places
from tests.benchmarks.result import MEDIAN, Check, Result, Row, quantile
from tests.benchmarks.talking import Side, Talk, daemon, english_clips, talk
from tests.benchmarks.waits import details, draw

ROUNDS = 2
CROWDS = (2, 4, 8)
MOST = 0.5
MOST_MS = 2000
NOTHING_AHEAD = {f"turns_early_{work}": False for work in ("transcription", "reply", "speech")}


async def run(rounds: int = ROUNDS, crowds: Sequence[int] = CROWDS, clips: Sequence[Clip] = ()) -> Result:
    """Talk alone to each of them in turns, then to ours in crowds; where Whisper is on CUDA, in the largest alone."""
    clips = clips or await asyncio.to_thread(english_clips)
    here, skipped = places("1 talking, and 8")
    result, sides = Result(skipped=skipped), dict[str, list[Talk]]()
    for place in here:
        stock_server = daemon("tests.benchmarks.stock_server", **NOTHING_AHEAD, **place.settings)
        async with daemon(**place.settings) as ours, stock_server as stock:
            alone = await in_turns([ours, stock], 1, clips, rounds)
            crowded = [await talk(ours, talkers, clips) for talkers in (crowds if place == CPU else crowds[-1:])]
        result.rows.append(Row(place.name("1 talking"), "ms", waits(alone[0]), waits(alone[1]), MOST))
        result.checks += checks(crowded[-1], place)
        sides[place.name("simplevoice")] = [*alone[0], *crowded]
        sides[place.name("nothing ahead, stock transcriber")] = alone[1]
    result.details, result.draw = details(sides), lambda figure: draw(figure, sides)
    return result


def checks(crowd: Talk, place: Place = CPU) -> list[Check]:
    """Say whether everybody in a crowd was answered, and most of them soon."""
    answered, most = len(crowd.waits), quantile(waits([crowd]), MEDIAN)
    who = place.name(f"{crowd.talkers} talking")
    return [
        Check(f"{who}: all answered", f"{answered} of {answered + crowd.lost}", met=not crowd.lost),
        Check(f"{who}: median under {MOST_MS:,} ms", f"{most:,.0f} ms", met=most < MOST_MS),
    ]


async def in_turns(sides: Sequence[Side], talkers: int, clips: Sequence[Clip], rounds: int) -> list[list[Talk]]:
    """Talk to one after the other, and again in the other direction."""
    runs: list[list[Talk]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides))
        for side in order if number % 2 == 0 else reversed(order):
            runs[side].append(await talk(sides[side], talkers, clips))
    return runs


def waits(runs: Sequence[Talk]) -> list[float]:
    """Give all waits; where nobody was answered, that is for ever."""
    return [wait for run in runs for wait in run.waits] or [math.inf]
