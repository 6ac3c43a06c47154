"""Against Pipecat, with the same weights: with its own choices, and with the one setting that makes it faster."""

import asyncio
from collections.abc import Sequence
from functools import partial

from simplevoice.cli.clips import Clip
from tests.benchmarks.peers.pipecat_agent import PeerMissingError, agent, prepare
from tests.benchmarks.processes import peak_mib
from tests.benchmarks.result import Check, Result, Row
from tests.benchmarks.talking import Talk, daemon, english_clips, talk
from tests.benchmarks.voice import in_turns, waits
from tests.benchmarks.waits import details, draw

ROUNDS = 2
CROWD = 8
INSTRUCTIONS = "You are the voice assistant of a clinic. Answer in one short sentence."
MAX_TOKENS = 48
TEMPERATURE = 0.2


async def run(rounds: int = ROUNDS, crowd: int = CROWD, clips: Sequence[Clip] = ()) -> Result:
    """Talk alone to each of them in turns, then in a crowd to ours and to Pipecat as it is."""
    try:
        await prepare()
    except PeerMissingError as reason:
        return Result(checks=[Check("Pipecat", f"skipped: {reason}", met=False)])
    clips = clips or await asyncio.to_thread(english_clips)
    model = {"llm_instructions": INSTRUCTIONS, "llm_max_tokens": MAX_TOKENS, "llm_temperature": TEMPERATURE}
    peer = partial(agent, instructions=INSTRUCTIONS, max_tokens=MAX_TOKENS, temperature=TEMPERATURE)
    async with daemon(**model) as ours, peer("default") as default, peer("speech-timeout") as tuned:
        alone = await in_turns([ours, default, tuned], 1, clips, rounds)
        crowds = [await talk(side, crowd, clips) for side in (ours, default)]
        peaks = [peak_mib(side.pid) for side in (ours, default)]
    sides = {"simplevoice": [*alone[0], crowds[0]], "Pipecat": [*alone[1], crowds[1]], "Pipecat, tuned": alone[2]}
    rows = [
        Row("1 talking", "ms", waits(alone[0]), waits(alone[1]), 0.3),
        Row("1 talking, tuned", "ms", waits(alone[0]), waits(alone[2]), 0.4),
        Row(f"{crowd} talking", "ms", waits(crowds[:1]), waits(crowds[1:]), 0.2),
        Row(f"{crowd} talking, peak memory", "MiB", peaks[:1], peaks[1:], 0.5),
        Row("1 talking, CPU a turn", "s", cpu(alone[0]), cpu(alone[1]), 0.6),
        Row(f"{crowd} talking, CPU a turn", "s", cpu(crowds[:1]), cpu(crowds[1:]), 0.6),
    ]
    lost = crowds[0].lost
    none_lost = Check(f"{crowd} talking: none lost", f"{lost}, of Pipecat's {crowds[1].lost}", met=not lost)
    return Result(rows, [none_lost], details(sides), lambda figure: draw(figure, sides))


def cpu(runs: Sequence[Talk]) -> list[float]:
    """Give the CPU seconds that a turn took, a figure for each run."""
    return [run.cpu_seconds for run in runs]
