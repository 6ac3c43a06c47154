"""Ten thousand clients that come, ask once and leave in every rude way: nothing of them may stay in the daemon.

``make soak``, or ``python -m tests.reliability.soak --connections 10000 --seed 1``. Linux only: it reads /proc.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise

import click
import msgspec

from tests.figures.command import Verdict, conclude, main, progress
from tests.figures.report import Section, table
from tests.reliability.manners import Plan, plans, visit
from tests.reliability.subject import Resources, Subject
from tests.reliability.wire import ClosedError, RefusedError

CONNECTIONS = 10_000
AT_ONCE = 50
TURNS_AT_ONCE = 16
"""Few enough that the warm-up sees all threads of their pool."""
WARM_UP = 100
TOLERANCE = 0.05
STAGES = 4
"""How often it is looked at behind the warm-up: a leak grows, a warm-up comes to rest."""
VISIT_SECONDS = 120.0
"""Nobody takes a quarter of it on an idle machine, but who waits 30 s for the heartbeat."""
REST_SECONDS = 90.0

SETTINGS = {
    "limits_max_connections": 4 * AT_ONCE,
    "limits_max_turns": TURNS_AT_ONCE,
    # Remembered sessions outlive connections by design. So few of them are all there behind the warm-up.
    "limits_sessions": AT_ONCE,
}


class Soak(msgspec.Struct):
    """What came of it. ``looks`` are at the daemon at rest, by the number of visitors that it has had."""

    left: Counter[str] = msgspec.field(default_factory=Counter)
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    complaints: Counter[str] = msgspec.field(default_factory=Counter)
    looks: dict[int, Resources] = msgspec.field(default_factory=dict)
    seconds: float = 0.0

    @property
    def growth(self) -> dict[str, tuple[float, float]]:
        """What was held behind the warm-up and at the last look, by name."""
        first, *_, last = map(msgspec.structs.asdict, self.looks.values())
        return {name: (first[name], last[name]) for name in first if name != "objects"}

    @property
    def left_behind(self) -> int:
        """The objects of conversations that are still there at the end."""
        return [*self.looks.values()][-1].objects


async def soak(connections: int, seed: int, *, stages: int = STAGES, silent: bool = True) -> Soak:
    """Send the visitors, ``AT_ONCE`` at a time, and look at the daemon behind the warm-up and behind each stage."""
    result = Soak()
    begun = time.monotonic()
    async with Subject.running("tests.reliability.server", settings=SETTINGS) as subject:
        tasks = (await subject.resources()).tasks
        schedule = enumerate(plans(connections, seed, silent=silent))
        with progress("visitors", connections) as bar:
            looks = [WARM_UP + (connections - WARM_UP) * stage // stages for stage in range(stages + 1)]
            for before, after in pairwise([0, *looks]):
                await _send(islice(schedule, after - before), subject.url, result, bar.update)
                result.looks[after] = await subject.at_rest(tasks, REST_SECONDS)
        result.complaints = subject.complaints
    result.seconds = time.monotonic() - begun
    return result


async def _send(visits: Iterator[tuple[int, Plan]], url: str, result: Soak, advance: Callable[[int], None]) -> None:
    async def one_by_one() -> None:
        for number, plan in visits:
            result.left[plan.manner] += 1
            try:
                async with asyncio.timeout(VISIT_SECONDS):
                    await visit(url, plan, number)
            except (AssertionError, OSError, ClosedError, RefusedError) as failure:
                result.failures[f"{', '.join(plan)}: {type(failure).__name__} {failure}"] += 1
            advance(1)

    async with asyncio.TaskGroup() as visitors:
        for _ in range(AT_ONCE):
            visitors.create_task(one_by_one())


def judge(result: Soak) -> Verdict:
    """Compare with what is to be proved."""
    verdict = Verdict()
    verdict.expect("every visit went as planned", f"{result.failures.total()} did not", met=not result.failures)
    verdict.expect("no error in the log", f"{result.complaints.total()} errors", met=not result.complaints)
    for name, (first, last) in result.growth.items():
        verdict.expect(
            f"{_HELD[name]}: at most {TOLERANCE:.0%} more, or one",  # a pool may start its last thread late
            f"{last / first - 1:+.1%}",
            met=last - first <= max(1, TOLERANCE * first),
        )
    verdict.expect("nothing of a conversation is alive", f"{result.left_behind} objects", met=not result.left_behind)
    return verdict


def describe(result: Soak) -> str:
    """Write the figures down."""
    connections = result.left.total()
    looks = [(f"{number:,}", *map(_shown, msgspec.structs.astuple(look))) for number, look in result.looks.items()]
    return "\n".join(
        [
            f"{connections:,} connections, {AT_ONCE} at a time, in {result.seconds:.0f} s. How they left:\n",
            table(["way of leaving", "connections"], result.left.most_common()),
            "What the daemon held when they were gone:\n",
            table(["behind connection", *_HELD.values()], looks),
        ]
    )


_HELD = {
    "memory_mib": "resident memory, MiB",
    "descriptors": "file descriptors",
    "threads": "threads",
    "tasks": "tasks",
    "objects": "sockets, turns, streams alive",
}


def _shown(value: float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


async def command(connections: int, seed: int) -> bool:
    """Run the soak and write it down."""
    click.echo(f"seed {seed}")
    section = Section("soak", "make soak")
    result = await soak(connections, seed)
    for failure, number in [*result.failures.most_common(20), *result.complaints.most_common(20)]:
        click.echo(f"{number} x {failure}", err=True)
    return conclude(section, describe(result), judge(result))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--connections", type=int, default=CONNECTIONS)
    options.add_argument("--seed", type=int, default=1)
    main(command(**vars(options.parse_args())))
