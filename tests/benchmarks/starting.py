"""How long a start takes: of the daemon until it is ready, against loading its largest model alone; of a command.

Weights are on disk, and nothing is fetched. Both sides have their bytecode from a start before, as an installation has.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from simplevoice.config import ModelsConfig
from simplevoice.models.store import ModelStore
from tests.benchmarks.processes import cpu_seconds
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
TIMES, VERSION_TIMES, WARM_TIMES = 15, 40, 3
MOST, MOST_VERSION = 1.3, 6.0


IMPORTS = """
import simplevoice.cli.serve, simplevoice.server.start, simplevoice.stt.whisper, simplevoice.llm.llama
import simplevoice.tts.edge_requests, simplevoice.tts.piper, simplevoice.tts.espeak
import simplevoice.engines.ears, simplevoice.server.app, simplevoice.server.run
"""


class Start(msgspec.Struct):
    """A start of the daemon, in seconds: until it came so far, what its processors worked, and its steps by its log."""

    seconds: float
    worked: float
    steps: dict[str, float]


async def run(times: int = TIMES, version_times: int = VERSION_TIMES, warm_times: int = WARM_TIMES) -> Result:
    """Start them in turns."""
    whisper = await asyncio.to_thread(ModelStore(ModelsConfig(offline=True)).path, "whisper-base")
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": bytecode, "SIMPLEVOICE_MODELS_OFFLINE": "true"}
        environment |= {"SIMPLEVOICE_STT_DEVICE": "cpu", "SIMPLEVOICE_LLM_GPU": "off"}
        starts: list[Start] = []
        daemon = partial(_start_daemon, environment, starts)
        model = partial(_run, environment, sys.executable, "-c", LOAD, str(whisper))
        version = partial(_run, environment, PROGRAM, "--version")
        nothing = partial(_run, environment, sys.executable, "-c", "pass")
        for side in (daemon, model, version, nothing):
            await side()
        starts.clear()
        rows = [
            Row("start to ready", "s", *await side_by_side(daemon, model, times), MOST),
            Row("`simplevoice --version`", "s", *await side_by_side(version, nothing, version_times), MOST_VERSION),
        ]
        alone = {
            "what the daemon imports, alone": partial(_run, environment, sys.executable, "-c", IMPORTS),
            "start until everything is warm, behind ready": partial(_start_daemon, environment, [], "warmed_up"),
        }
        took = {what: [await start() for _ in range(warm_times)] for what, start in alone.items()}
        worked = [await _worked(model) for _ in range(warm_times)]
        return Result(rows, details=_details(starts, took | {"processors' time, yardstick": worked}))


async def _start_daemon(environment: Mapping[str, str], starts: list[Start], until: str = "ready") -> float:
    """Give the seconds until it logs that it came so far."""
    begun = time.perf_counter()
    steps: dict[str, float] = {}
    process = await asyncio.create_subprocess_exec(*SERVE, env=environment, stdout=DEVNULL, stderr=PIPE)
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            entry = json.loads(line)
            if entry["event"] == "starting":
                steps["start until the server is imported"] = time.perf_counter() - begun
            if entry["event"] == "engine_ready":
                steps[f"loading {entry['engine']}, beside the others"] = entry["seconds"]
            if entry["event"] == until:
                starts.append(Start(time.perf_counter() - begun, cpu_seconds(process.pid), steps))
                return starts[-1].seconds
        raise AssertionError("the daemon did not start")
    finally:
        process.terminate()
        await process.communicate()


async def _worked(run: Callable[[], Awaitable[object]]) -> float:
    """Give the seconds that processors worked for a process that ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    await run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _run(environment: Mapping[str, str], *command: str) -> float:
    """Give the seconds until it ends."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL)
    assert await process.wait() == 0, command
    return time.perf_counter() - begun


def _details(starts: list[Start], others: Mapping[str, list[float]]) -> str:
    seconds = {step: [start.steps[step] for start in starts] for step in starts[0].steps}
    seconds |= {"processors' time until ready": [start.worked for start in starts], **others}
    rows = [(what, f"{quantile(took, MEDIAN):.2f}") for what, took in seconds.items() if took]
    return table(("where the time goes", "median, s"), rows)
