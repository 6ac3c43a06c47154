"""What the daemon relies on under chaos: services that fail at random, and what each did when."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator

from tests.edge import EdgeEmulator
from tests.edge import Fault as EdgeFault
from tests.fakes import servers
from tests.fakes.faulty import Fault
from tests.reliability.story import Entry

SPEECH, LANGUAGE_MODEL, RECOGNIZER = "speech service", "language model", "recognizer"
HEALTHY_SHARE = 0.6
LONGEST_SECONDS = 2.0
"""Between two changes, at most. Each of the three stays as it is for three times as long on average."""
LATEST_SECONDS = 3.0
"""What a late or slow server takes, at most, for an answer or for each piece of it."""
TIMED = (Fault.LATE, Fault.SLOW)
"""Faults that take seconds."""


class Services:
    """All three. ``faults`` counts what was done to each."""

    def __init__(self, edge: EdgeEmulator, others: servers.Servers) -> None:
        self.edge = edge
        self.others = others
        self.faults: dict[str, Counter[str]] = {SPEECH: Counter(), LANGUAGE_MODEL: Counter(), RECOGNIZER: Counter()}
        self._history: dict[str, list[Entry]] = {name: [] for name in self.faults}

    async def fail_at_random(self, seconds: float, seed: int) -> None:
        """Let all fail, then now one, now another fail in some way or work, for some seconds; in the end all work."""
        choice, end = random.Random(seed), time.monotonic() + seconds
        untried = [*self.faults]
        while time.monotonic() < end:
            fails = bool(untried) or choice.random() > HEALTHY_SHARE
            name = untried.pop() if untried else choice.choice([*self.faults])
            possible = [*EdgeFault] if name == SPEECH else [fault for fault in Fault if fault is not Fault.NONE]
            fault = choice.choice(possible) if fails else None
            if fault is not None:
                self.faults[name][fault.value] += 1
            await self._switch(name, fault, choice.uniform(0.1, LATEST_SECONDS))
            await asyncio.sleep(choice.uniform(0.1, LONGEST_SECONDS))
        for name in self.faults:
            await self._switch(name, None)

    def since(self, moment: float) -> Iterator[Entry]:
        """Tell how each failed from a moment (monotonic) on: what was in force then, and what came later."""
        for entries in self._history.values():
            before = [entry for entry in entries if entry.at <= moment]
            yield from before[-1:]
            yield from entries[len(before) :]

    async def _switch(self, name: str, fault: EdgeFault | Fault | None, seconds: float = 0.1) -> None:
        if not isinstance(fault, Fault) and name == SPEECH:
            self.edge.fault = fault
        elif not isinstance(fault, EdgeFault):
            await self.others.switch("llm" if name == LANGUAGE_MODEL else "stt", fault or Fault.NONE, seconds)
        how = f", {seconds:.1f} s" if fault in TIMED else ""
        self._history[name].append(Entry(time.monotonic(), f"{name}: {fault or 'works'}{how}"))
