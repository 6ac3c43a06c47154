"""Twenty clients converse while the speech service, the language model and the recognizer fail at random.

Every question has to have its answer, or an error, once and in time; when the faults are over, each has to be answered.
``make chaos``, or ``CHAOS_SECONDS=60 python -m tests.reliability.chaos --seed 1``. Linux only.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import click
import msgspec

from tests.edge import EdgeEmulator
from tests.fakes import servers
from tests.figures.command import Verdict, conclude, main
from tests.figures.report import Section, table
from tests.reliability.client import ACTS, ChaosClient, Deadlines, GoOn, Tally
from tests.reliability.services import Services
from tests.reliability.story import Story
from tests.reliability.subject import Subject

SECONDS = 600.0
CLIENTS = 20
TURN_SECONDS, NEXT_SOUND_SECONDS = 20.0, 10.0
AFTERWARDS = 10
"""Questions of each client when the faults are over."""
RECOVERY_SECONDS = 120.0
ONLY_ASK = {"ask": 1}


class Chaos(msgspec.Struct):
    """What came of it: of the questions under faults, while the daemon recovered, and afterwards."""

    seed: int
    seconds: float
    deadlines: Deadlines
    """For who waits."""
    faults: dict[str, Counter[str]] = msgspec.field(default_factory=dict)
    """How often each service was made to fail, by the kind of failure."""
    under_faults: Tally = msgspec.field(default_factory=Tally)
    recovering: Tally = msgspec.field(default_factory=Tally)
    afterwards: Tally = msgspec.field(default_factory=Tally)
    recovery_seconds: float | None = None
    """From the end of the faults until the daemon called itself available; None when it never did."""
    complaints: Counter[str] = msgspec.field(default_factory=Counter)


async def chaos(
    seconds: float,
    seed: int,
    *,
    clients: int = CLIENTS,
    turn_seconds: float = TURN_SECONDS,
    next_sound_seconds: float = NEXT_SOUND_SECONDS,
    afterwards: int = AFTERWARDS,
    **settings: object,
) -> Chaos:
    """Let everything fail for some seconds, then nothing. ``settings`` are of the daemon."""
    result = Chaos(seed, seconds, Deadlines.of(turn_seconds, next_sound_seconds))
    async with AsyncExitStack() as stack:
        services = Services(
            await stack.enter_async_context(EdgeEmulator()), await stack.enter_async_context(servers.running())
        )
        result.faults = services.faults
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        limits = {
            "limits_max_turns": clients,
            "limits_turn_timeout_seconds": turn_seconds,
            "limits_next_sound_seconds": next_sound_seconds,
        }
        subject = await stack.enter_async_context(_daemon(services, folder, {**limits, **settings}))

        def explain(client: Mapping[str, str], story: Story) -> str:
            lines = [*story.told(*services.since(story.began)), *subject.logged_of(client["connection_id"])]
            return "\n".join([", ".join(client.values()), *lines])

        crowd = [ChaosClient(subject.url, number, seed, result.deadlines, explain) for number in range(clients)]
        over = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(services.fail_at_random(seconds, seed))
            tasks.create_task(_converse(crowd, result.under_faults, lambda _: time.monotonic() < over))
        result.recovery_seconds = await _recover(subject, crowd, result.recovering)
        await _converse(crowd, result.afterwards, lambda asked: asked < afterwards, ONLY_ASK)
        result.complaints = subject.complaints
    return result


def _daemon(services: Services, folder: Path, settings: Mapping[str, object]) -> AbstractAsyncContextManager[Subject]:
    """Run the real daemon against them, with edge-tts itself, and espeak for when that fails."""
    chosen = {
        "stt_engine": "openai",
        "stt_base_url": services.others.urls["stt"],
        "llm_engine": "openai",
        "llm_base_url": services.others.urls["llm"],
        "tts_engine": "edge",
        "tts_local": "espeak",
        "limits_turns_per_minute": 10_000,
        "limits_audio_seconds_per_minute": 6000,
        **settings,
    }
    return Subject.running("simplevoice", "serve", settings=chosen, environment=services.edge.environment(folder))


async def _converse(crowd: list[ChaosClient], tally: Tally, go_on: GoOn, acts: Mapping[str, int] = ACTS) -> None:
    await asyncio.gather(*(client.converse(tally, go_on, acts) for client in crowd))


async def _recover(subject: Subject, crowd: list[ChaosClient], tally: Tally) -> float | None:
    """Let the clients go on until the daemon says that it is available; gives how long that took."""
    begun = time.monotonic()
    over = asyncio.Event()

    async def watch() -> float | None:
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                while (await subject.status())["status"] != "available":
                    await asyncio.sleep(0.2)
        except TimeoutError:
            return None
        else:
            return time.monotonic() - begun
        finally:
            over.set()

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        tasks.create_task(_converse(crowd, tally, lambda _: not over.is_set(), ONLY_ASK))
    return watching.result()


def judge(result: Chaos) -> Verdict:
    """Compare with what is to be proved."""
    verdict = Verdict()
    phases = (result.under_faults, result.recovering, result.afterwards)
    hung, broken = sum(len(t.hung) for t in phases), sum((t.broken for t in phases), Counter())
    first, following = result.deadlines
    criterion = f"no answer without a sound or an end for {first:.0f} s, and {following:.0f} s behind a sound"
    verdict.expect(criterion, f"{hung} of them", met=not hung)
    verdict.expect("every turn ends once, and nothing follows its end", broken.total(), met=not broken)
    verdict.expect("no error in the log", result.complaints.total(), met=not result.complaints)
    recovered = "never" if result.recovery_seconds is None else f"after {result.recovery_seconds:.0f} s"
    verdict.expect("available again behind the faults", recovered, met=result.recovery_seconds is not None)
    share = result.afterwards.outcomes["voice_response"]
    verdict.expect(
        "then every question is answered",
        f"{share} of {result.afterwards.asked}",
        met=result.afterwards.outcomes == Counter(voice_response=result.afterwards.asked),
    )
    return verdict


def describe(result: Chaos) -> str:
    """Write the figures down."""
    phases = (result.under_faults, result.recovering, result.afterwards)
    ends = sorted(set().union(*(tally.outcomes for tally in phases)), key=lambda end: (end.startswith("error"), end))
    rows: list[tuple[str, ...]] = [
        ("questions", *(f"{tally.asked:,}" for tally in phases)),
        *((end, *(f"{tally.outcomes[end]:,}" for tally in phases)) for end in ends),
        ("the client left before an end", *(f"{tally.left:,}" for tally in phases)),
        ("longest time in which nothing was heard of an answer, s", *(f"{tally.longest_wait:.1f}" for tally in phases)),
        ("longest time to an end, s", *(f"{tally.longest_answer:.1f}" for tally in phases)),
    ]
    faults = [
        (name, kinds.total(), ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
        for name, kinds in result.faults.items()
    ]
    waited = [f"\nWaited for too long:\n\n```\n{story}\n```\n" for tally in phases for story in tally.hung]
    return "\n".join(
        [
            f"Seed {result.seed}, {result.seconds:.0f} s of faults:\n",
            table(["service", "faults", "how often each"], faults),
            "How turns ended:\n",
            table(["", "under faults", "while it recovered", "afterwards"], rows),
            *waited,
        ]
    )


async def command(seconds: float, seed: int) -> bool:
    """Run it and write it down."""
    click.echo(f"seed {seed}, {seconds:.0f} s of faults", err=True)
    section = Section("chaos", "make chaos")
    result = await chaos(seconds, seed)
    for tally in (result.under_faults, result.recovering, result.afterwards):
        for failure, number in tally.broken.most_common(20):
            click.echo(f"{number} x {failure}", err=True)
    for complaint, number in result.complaints.most_common(20):
        click.echo(f"{number} x {complaint}", err=True)
    return conclude(section, describe(result), judge(result))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seconds", type=float, default=float(os.environ.get("CHAOS_SECONDS", SECONDS)))
    options.add_argument("--seed", type=int, default=random.randrange(10_000))
    main(command(**vars(options.parse_args())))
