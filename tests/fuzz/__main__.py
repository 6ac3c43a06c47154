"""Fuzz everything that reads a client's bytes, each target in a process of its own, for ``FUZZ_SECONDS``.

``make fuzz``, or ``python -m tests.fuzz [TARGET ...]``. What is found is left in build/fuzz, named in the output, and
makes the exit code 1. The fuzzer is libFuzzer, by way of Atheris (the extra ``fuzz``).
"""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from tests.figures.command import Verdict, conclude, main
from tests.figures.report import Section, table
from tests.fuzz.targets import TARGETS, Target

SECONDS = float(os.environ.get("FUZZ_SECONDS", "300"))
GRACE_SECONDS = 60.0
FINDINGS = Path(__file__).parents[2] / "build" / "fuzz"

SECONDS_AN_INPUT = 10
MEMORY_MIB = 512
LAST_LINES = 40

CHILD = (sys.executable, "-W", "ignore", "-m", "tests.fuzz.child")
OPTIONS = (
    f"-timeout={SECONDS_AN_INPUT}",
    f"-rss_limit_mb={MEMORY_MIB}",
    "-print_final_stats=1",
    # What libav makes of an input can't be seen: a smaller one that leads Python the same way does not replace it.
    "-keep_seed=1",
    "-reduce_inputs=0",
)


class Run(msgspec.Struct, frozen=True):
    """How a target fared. ``words`` are the last that its process said."""

    target: str
    code: int
    inputs: int
    seconds: float
    memory_mib: int
    findings: tuple[str, ...]
    words: str

    @property
    def failed(self) -> bool:
        """Whether it found something, or did not come to its end."""
        return bool(self.code or self.findings)


async def run(name: str, target: Target, seconds: float, folder: Path, child: Sequence[str] = CHILD) -> Run:
    """Fuzz one target; its findings go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        code, output = await _execute(
            *(*child, name, corpus, *OPTIONS, f"-max_total_time={seconds:.0f}", f"-artifact_prefix={folder}/"),
            seconds=seconds + GRACE_SECONDS,
        )
    return Run(
        target=name,
        code=code,
        inputs=_stat(output, "number_of_executed_units"),
        seconds=time.monotonic() - begun,
        memory_mib=_stat(output, "peak_rss_mb"),
        findings=tuple(sorted(str(found) for found in set(folder.iterdir()) - before)),
        words="\n".join(output.splitlines()[-LAST_LINES:]),
    )


async def _execute(*command: str, seconds: float) -> tuple[int, str]:
    """Run a program to its end, or to the end of its time, at the lowest priority."""
    process = await asyncio.create_subprocess_exec(
        "nice", *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        output = b"it did not stop by itself"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = await process.wait()
    return code, output.decode(errors="replace")


def _stat(output: str, name: str) -> int:
    found = re.search(rf"^stat::{name}:\s+(\d+)", output, re.MULTILINE)
    return int(found[1]) if found else 0


def describe(runs: Sequence[Run]) -> str:
    """Write down what was run."""
    rows = [
        (
            run.target,
            TARGETS[run.target].what,
            f"{run.inputs:,}",
            f"{run.seconds:.0f}",
            run.memory_mib,
            len(run.findings),
        )
        for run in runs
    ]
    return (
        "A finding is what crashes, answers otherwise than it may, hangs for "
        f"{SECONDS_AN_INPUT} s, or brings its process to {MEMORY_MIB} MiB.\n\n"
        + table(["target", "what", "inputs", "s", "memory, MiB", "findings"], rows)
    )


def judge(runs: Sequence[Run]) -> Verdict:
    """Compare with what is to be proved."""
    verdict = Verdict()
    findings = sum(len(run.findings) for run in runs)
    verdict.expect("no crash, and nothing that may not be", f"{findings} findings", met=not findings)
    ended = sum(not run.code for run in runs)
    verdict.expect("every target came to its end", f"{ended} of {len(runs)}", met=ended == len(runs))
    idle = [run.target for run in runs if not run.inputs]
    verdict.expect("every target was fed", f"{len(idle)} were not", met=not idle)
    return verdict


async def command(names: Sequence[str]) -> bool:
    """Fuzz the targets at once, and write it down when none was left out."""
    section = Section("fuzz", "make fuzz")
    click.echo(f"{', '.join(names)} for {SECONDS:g} s", err=True)
    runs = await asyncio.gather(*(run(name, TARGETS[name], SECONDS, FINDINGS / name) for name in names))
    for failed in (run for run in runs if run.failed):
        click.echo(f"\n{failed.target}, exit code {failed.code}:\n{failed.words}\n", err=True)
        for finding in failed.findings:
            click.echo(f"again: {' '.join(CHILD[:1])} -m tests.fuzz.child {failed.target} {finding}", err=True)
    verdict = judge(runs)
    if set(names) == set(TARGETS):
        return conclude(section, describe(runs), verdict)
    click.echo(f"{describe(runs)}\n{verdict}")
    return verdict.passed


if __name__ == "__main__":
    main(command(sys.argv[1:] or list(TARGETS)))
