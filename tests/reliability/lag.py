"""How late an event loop is, and what keeps it.

Run as a program it is a bare process that does nothing else, beside the one that is measured: what it suffers, the
machine does to everybody.
"""

import asyncio
import sys
import time
from asyncio.events import Handle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import click

TICK_SECONDS = 0.01


class LagWatch:
    """Wakes every 10 ms, and remembers by how much it was late at worst."""

    def __init__(self) -> None:
        self._worst = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._worst = max(self._worst, loop.time() - due)

    def take(self) -> float:
        """Give the worst since the last time, ms."""
        worst, self._worst = self._worst, 0.0
        return worst * 1000


class StepWatch:
    """Remembers the step of the event loop that took most of the processor: while it ran, nothing else could."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._step = ""

    def install(self) -> None:
        """Measure all steps of all loops of this process from now on."""
        run = Handle._run

        def measured(handle: Handle) -> None:
            before = time.thread_time()
            run(handle)
            if (seconds := time.thread_time() - before) > self._worst:
                self._worst, self._step = seconds, repr(handle)

        Handle._run = measured  # type: ignore[assignment, method-assign]  # the loop offers no hook around its steps

    def take(self) -> tuple[float, str]:
        """Give the worst since the last time, ms of processor time, and what it was."""
        worst, step = self._worst, self._step
        self._worst, self._step = 0.0, ""
        return worst * 1000, step


@asynccontextmanager
async def control() -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """Watch in a bare process; gives the worst since the last time, ms, when it is called."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.reliability.lag"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asking, answers = process.stdin, process.stdout

    async def take() -> float:
        asking.write(b"\n")
        return float(await answers.readline())

    try:
        await take()
        yield take
    finally:
        asking.close()
        await process.wait()


async def _watch_alone() -> None:
    lag = LagWatch()
    watching = asyncio.create_task(lag.run())
    while await asyncio.to_thread(sys.stdin.readline):
        click.echo(lag.take())
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(_watch_alone())
