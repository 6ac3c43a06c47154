"""A language server and a recognition server in a process of their own, whose faults are switched while they run.

``python -m tests.fakes.servers`` prints one line of JSON, the base URLs by name, and reads lines such as
``llm hangs`` or ``stt late 1.5`` from its standard input, each answered by the same line. It ends with its input.
"""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from tests.fakes.faulty import Fault, FaultyServer
from tests.fakes.language_server import LanguageServer
from tests.fakes.recognition_server import RecognitionServer

Name = Literal["llm", "stt"]


class Servers:
    """The handle of the process. ``urls`` has the base URL of each."""

    def __init__(self, process: asyncio.subprocess.Process, urls: dict[Name, str]) -> None:
        self.urls = urls
        self._process = process

    async def switch(self, name: Name, fault: Fault, seconds: float = 0.1) -> None:
        """Let one of them fail so from now on; returns when it does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = f"{name} {fault} {seconds:g}\n".encode()
        self._process.stdin.write(line)
        assert await self._process.stdout.readline() == line


@asynccontextmanager
async def running() -> AsyncIterator[Servers]:
    """Run both until the context ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.servers"),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Servers(process, json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def _serve() -> None:
    async with LanguageServer() as llm, RecognitionServer() as stt:
        servers: dict[str, FaultyServer] = {"llm": llm, "stt": stt}
        _say(json.dumps({name: server.url for name, server in servers.items()}) + "\n")
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, fault, seconds = line.split()
            servers[name].seconds = float(seconds)
            await servers[name].switch(Fault(fault))
            _say(line)


def _say(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    logging.getLogger("aiohttp.server").disabled = True  # what it is told to do is no error
    asyncio.run(_serve())
