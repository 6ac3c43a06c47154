"""What it would cost to decode recordings in a process of their own: ``python -m tests.benchmarks.decoding_worker``.

The decision that rests on it stands in docs/threat-model.md. Linux only: it reads /proc.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import click

from simplevoice.speech.codec import decode
from tests.figures.report import table
from tests.media import encode, recording

RUNS = 200
SPEECH = recording("en-LJ006-0114.wav")[:5000]
RECORDINGS = {"webm": encode(SPEECH, "webm"), "wav": encode(SPEECH, "wav")}


def decoded(data: bytes) -> bytes:
    """Decode, to samples that can go through a pipe."""
    samples: bytes = decode(data, max_seconds=60).raw_data
    return samples


def median_ms(action: Callable[[], object]) -> float:
    """Measure how long something takes."""
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def in_executor(executor: Executor, data: bytes) -> float:
    """Measure a decoding in another thread, or process."""
    return median_ms(lambda: executor.submit(decoded, data).result())


def main() -> None:
    """Print the comparison."""
    begun = time.perf_counter()
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process,
        ThreadPoolExecutor(1) as thread,
    ):
        process.submit(decoded, RECORDINGS["wav"]).result()
        started = time.perf_counter() - begun
        rows = [
            (f"5 s of {name}", f"{in_executor(thread, data):.1f}", f"{in_executor(process, data):.1f}")
            for name, data in RECORDINGS.items()
        ]
        (worker,) = multiprocessing.active_children()
        rollup = Path(f"/proc/{worker.pid}/smaps_rollup").read_text().splitlines()
        own = sum(int(line.split()[1]) for line in rollup if line.startswith("Private_")) / 1024
    click.echo(table(["decoding", "in a thread, ms", "in a process, ms"], rows))
    click.echo(f"The first answer of a worker came after {started * 1000:.0f} ms; it has {own:.0f} MiB of its own.")


if __name__ == "__main__":
    main()
