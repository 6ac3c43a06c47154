"""The daemon that is put to the proof: a process of its own, looked at from outside."""

import asyncio
import json
import os
import resource
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import aiohttp
import msgspec
from yarl import URL

from tests.reliability.server import INSIDE, Inside

ROOT = Path(__file__).parents[2]
START_SECONDS, STOP_SECONDS = 60.0, 30.0
LOG_LINES = 1000
LINES_ABOUT_ONE = 3
QUIET_SECONDS = 2.0
"""Behind the last connection the engines are released after one second."""


class Resources(msgspec.Struct, frozen=True):
    """What a process holds. ``objects`` are those of conversations."""

    memory_mib: float
    descriptors: int
    threads: int
    tasks: int
    objects: int


class Subject:
    """A running daemon. ``complaints`` counts what it logged as errors."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.complaints: Counter[str] = Counter()
        self.url = ""
        self._process = process
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        # In either order: light engines are warm before the server is imported.
        self._awaited = {"listening", "warmed_up"}
        self._ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def running(
        cls, *program: str, settings: Mapping[str, object], environment: Mapping[str, str] = MappingProxyType({})
    ) -> AsyncIterator[Self]:
        """Start ``python -m`` program with settings such as ``limits_max_connections``, and stop it at the end.

        The settings of whoever calls are not passed on.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIMPLEVOICE_")}
        chosen = {"port": 0, "logging_format": "json", "models_offline": True, **settings}
        variables = {f"SIMPLEVOICE_{name.upper()}": str(value) for name, value in chosen.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *program,
            env={**kept, **variables, **environment},
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        subject = cls(process)
        try:
            await subject._started()
            yield subject
        finally:
            await subject._stop()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(list(self._log)[-20:])

    def logged(self, event: str) -> int:
        """How often an event stands in the end of the log that is kept."""
        return sum(_parse(line).get("event") == event for line in self._log)

    def logged_of(self, connection_id: str) -> list[str]:
        """Give the last lines about a connection that are kept of its log."""
        return [line for line in self._log if connection_id in line][-LINES_ABOUT_ONE:]

    async def inside(self, *, objects: bool = False) -> Inside:
        """Look into a server under test."""
        url = URL(self.url).with_scheme("http").with_path(INSIDE).with_query({"objects": ""} if objects else {})
        return msgspec.json.decode(await _get(url), type=Inside)

    async def status(self) -> dict[str, Any]:
        """Ask for the status."""
        url = URL(self.url).with_scheme("http") / "status"
        answer: dict[str, Any] = msgspec.json.decode(await _get(url))
        return answer

    async def at_rest(self, tasks: int, seconds: float) -> Resources:
        """Wait until nobody is connected and no more than ``tasks`` are left, if that comes, and tell what it holds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (await self.status())["active_connections"] or (await self.inside()).tasks > tasks:
                    await asyncio.sleep(0.2)
        await asyncio.sleep(QUIET_SECONDS)
        return await self.resources()

    async def resources(self) -> Resources:
        """Tell what it holds now."""
        status = self.process_status()
        descriptors = len(list((Path("/proc") / str(self.pid) / "fd").iterdir()))
        inside = await self.inside(objects=True)  # last: the look itself takes memory, and a connection
        return Resources(
            memory_mib=status["VmRSS"] / 1024,
            descriptors=descriptors,
            threads=status["Threads"],
            tasks=inside.tasks,
            objects=sum(inside.objects.values()),
        )

    def process_status(self) -> dict[str, int]:
        """Tell the numbers in proc(5)'s ``status``; those of memory are in KiB."""
        lines = (Path("/proc") / str(self.pid) / "status").read_text().splitlines()
        fields = (line.replace(":", "").split() for line in lines)
        return {name: int(values[0]) for name, *values in fields if values and values[0].isdecimal()}

    def processor_seconds(self) -> float:
        """Tell how long all its threads have worked."""
        fields = (Path("/proc") / str(self.pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _started(self) -> None:
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._reading}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            assert self._ready.is_set(), f"the daemon did not start:\n{self.last_lines}"
        finally:
            ready.cancel()

    async def _stop(self) -> None:
        """End it as a service manager does; one that does not end is killed, and that is a failure."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                code = await self._process.wait()
        except (TimeoutError, asyncio.CancelledError):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            await self._process.wait()
            raise
        finally:
            await self._reading
        assert code == 0, f"the daemon ended with {code}:\n{self.last_lines}"

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            self._log.append(line)
            entry = _parse(line)
            self._awaited.discard(str(entry.get("event")))
            match entry:
                case {"event": "listening", "url": str(url)}:
                    self.url = url
                case {"level": "error" | "critical"}:
                    self.complaints[_complaint(entry)] += 1
            if not self._awaited:
                self._ready.set()


def allow_descriptors(number: int) -> None:
    """Let this process, and those that it starts, open so many files. Raises ValueError when the machine doesn't."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))
    if hard < number:
        raise ValueError(f"{number} open files are needed, the machine allows {hard}")


async def _get(url: URL) -> bytes:
    """Ask on a connection of its own, which is gone afterwards."""
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Connection": "close"}) as response:
        assert response.status == 200, f"{url} answered {response.status}"
        return await response.read()


def _complaint(entry: Mapping[str, Any]) -> str:
    """Say in one line what went wrong, and where."""
    causes = [f"{cause['exc_type']} {cause['exc_value']}" for cause in entry.get("exception", ())]
    frames = [f"{Path(f['filename']).name}:{f['lineno']}" for f in entry["exception"][-1]["frames"]] if causes else []
    return " ".join([entry["event"], *causes, *frames[-4:]])


def _parse(line: str) -> dict[str, Any]:
    """Read a line of the log; one that is no JSON, such as an interpreter's last words, is an error."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": line, "level": "error"}
    return entry
