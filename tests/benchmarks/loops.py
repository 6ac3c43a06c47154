"""The event loops on which both sides of a benchmark can run."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from simplevoice.server.event_loop import kind_of, new_event_loop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": new_event_loop,
}


def run_on_named_loop(main: Coroutine[Any, Any, int | None]) -> None:
    """Run a server on the event loop that the command line names, and exit with what it gives."""
    (name,) = sys.argv[1:] or ["asyncio"]
    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        kind = kind_of(runner.get_loop())
        if kind != name:
            raise ModuleNotFoundError(f"{name} is not installed")
        sys.exit(runner.run(main))
