"""A daemon of one's own, for as long as something is measured: a process on loopback, with the settings in force."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import click
import msgspec

from simplevoice.config.sources import DEFAULT, Settings
from simplevoice.config.table import SETTINGS, Setting, as_table

START_SECONDS = 600.0
"""Weights may have to be fetched first."""
STOP_SECONDS = 20.0
LINE_BYTES = 2**20

OPEN = ("--auth-token-file", "", "--tls-cert", "", "--tls-key", "")
LOCAL = ("--host", "127.0.0.1", "--port", "0", *OPEN, "--log-level", "info", "--log-format", "json")


class Record(msgspec.Struct, frozen=True):
    """What is read of a line of its log."""

    event: str
    level: str
    url: str = ""
    error: str = ""


@asynccontextmanager
async def own_daemon(settings: Settings, *arguments: str) -> AsyncIterator[str]:
    """Run a daemon that is ready and warm, and give the URL of its conversation. ``arguments`` go to its command line.

    Raises ClickException with its own words where it doesn't start.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simplevoice", "serve", *LOCAL, *arguments),
        env={**os.environ, **as_variables(settings)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    reading: asyncio.Task[None] | None = None
    try:
        url = await _until_ready(process.stderr)
        reading = asyncio.create_task(_read_to_end(process.stderr))
        yield url
    finally:
        await stop(process)
        if reading is not None:
            await asyncio.wait([reading])


def as_variables(settings: Settings) -> dict[str, str]:
    """Write the settings that somebody made as environment variables, which keep secrets off the command line."""
    made = [setting for key, setting in SETTINGS.items() if settings.origins[key] != DEFAULT]
    return {s.variable: _as_text(s, getattr(getattr(settings.config, s.section), s.name)) for s in made}


def _as_text(setting: Setting, value: Any) -> str:
    if setting.table:
        return msgspec.json.encode([as_table(setting.section, table) for table in value]).decode()
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


async def _until_ready(log: asyncio.StreamReader) -> str:
    url, last = "", "it said nothing"
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in log:
                record = _record(line)
                if record.event == "listening":
                    url = record.url
                elif record.event == "warmed_up":
                    return url
                elif record.level not in ("debug", "info"):
                    last = f"{record.event}: {record.error}" if record.error else record.event
    except TimeoutError:
        last = f"it was not ready within {START_SECONDS:g} s"
    raise click.ClickException(f"the daemon to measure did not start: {last}")


def _record(line: bytes) -> Record:
    """Read a line; one that is no record of the log, such as a wrong option's, is its own event."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(line, type=Record)
    return Record(line.decode(errors="replace").strip().removeprefix("error: "), "error")


async def _read_to_end(log: asyncio.StreamReader) -> None:
    async for _ in log:
        pass


async def stop(process: asyncio.subprocess.Process) -> None:
    """End it as systemd would; one that doesn't end is killed."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
