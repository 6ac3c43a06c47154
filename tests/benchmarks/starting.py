"""How long a start takes: of the daemon until it is ready, against loading its largest model alone; of a command.

Weights are on disk, and nothing is fetched. Both sides have their bytecode from a start before, as an installation has.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from tests.benchmarks.result import MEDIAN, Result, Row, quantile, side_by_side
from tests.figures.report import table

PROGRAM = str(Path(sys.executable).with_name("simplevoice"))
SERVE = (PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0", "--log-format", "json", "--log-level", "info")
LOAD = """
import sys
from faster_whisper import WhisperModel
WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
print("loaded", flush=True)
"""
TIMES, VERSION_TIMES = 15, 40
MOST, MOST_VERSION = 1.3, 6.0


class Start(msgspec.Struct):
    """One start of the daemon: seconds until it was ready, until it was warm, and what each engine took by its log."""

    ready: float
    warm: float
    engines: dict[str, float]


async def run(times: int = TIMES, version_times: int = VERSION_TIMES) -> Result:
    """Start them in turns."""
    whisper = await asyncio.to_thread(ModelStore(ModelsConfig(offline=True)).path, "whisper-base")
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": bytecode, "SIMPLEVOICE_MODELS_OFFLINE": "true"}
        starts: list[Start] = []
        daemon = partial(_start_daemon, environment, starts)
        model = partial(_run, environment, sys.executable, "-c", LOAD, str(whisper))
        version = partial(_run, environment, PROGRAM, "--version")
        nothing = partial(_run, environment, sys.executable, "-c", "pass")
        for side in (daemon, model, version, nothing):
            await side()
        starts.clear()
        return Result(
            [
                Row("start to ready", "s", *await side_by_side(daemon, model, times), MOST),
                Row("`simplevoice --version`", "s", *await side_by_side(version, nothing, version_times), MOST_VERSION),
            ],
            details=_details(starts),
        )


async def _start_daemon(environment: Mapping[str, str], starts: list[Start]) -> float:
    begun = time.perf_counter()
    start = Start(0, 0, {})
    process = await asyncio.create_subprocess_exec(*SERVE, env=environment, stdout=DEVNULL, stderr=PIPE)
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            match json.loads(line):
                case {"event": "engine_ready", "engine": str(engine), "seconds": float(seconds)}:
                    start.engines[engine] = seconds
                case {"event": "ready"}:
                    start.ready = time.perf_counter() - begun
                case {"event": "warmed_up"}:
                    start.warm = time.perf_counter() - begun
                    break
        assert start.warm, "the daemon did not start"
    finally:
        process.terminate()
        await process.communicate()
    starts.append(start)
    return start.ready


async def _run(environment: Mapping[str, str], *command: str) -> float:
    """Give the seconds until it ends."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL)
    assert await process.wait() == 0, command
    return time.perf_counter() - begun


def _details(starts: list[Start]) -> str:
    def median(samples: list[float]) -> str:
        return f"{quantile(samples, MEDIAN):.2f}"

    engines = [
        (f"loading {engine}, beside the others", median([start.engines[engine] for start in starts]))
        for engine in starts[0].engines
    ]
    warm = ("start until everything is warm, behind ready", median([start.warm for start in starts]))
    return table(("where the time goes", "median, s"), [*engines, warm])
