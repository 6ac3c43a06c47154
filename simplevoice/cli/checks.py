"""How ``simplevoice check`` works: all checks run at once, each tells in time what it finds, in words for an operator.

What there is to look at stands in ``checks_machine`` and ``checks_engines``.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import msgspec

from simplevoice.config import Config

CHECK_SECONDS = 10.0

Level = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a check found. ``advice`` is what to do about it."""

    subject: str
    level: Level
    says: str
    advice: str | None = None


Check = Callable[[Config], Awaitable[list[Finding]]]
Checks = Mapping[str, Check]
"""By what they look at."""


def run_checks(config: Config, checks: Checks) -> list[Finding]:
    """Run all checks at once. A check that hangs is given up, and so is the thread that it hangs in."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Abandoning())
        return runner.run(_run_all(config, checks))


async def _run_all(config: Config, checks: Checks) -> list[Finding]:
    results = await asyncio.gather(*(_bounded(subject, check(config)) for subject, check in checks.items()))
    return [finding for findings in results for finding in findings]


async def _bounded(subject: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check
    except TimeoutError:
        return [Finding(subject, "warning", f"no result within {CHECK_SECONDS:g} s", "Look at the disk and network.")]


class _Abandoning(ThreadPoolExecutor):
    """Runs each call in a daemon thread, so that a name that can't be resolved does not hold up the exit."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a thread for the call."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever awaits the future gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        future.set_running_or_notify_cancel()
        threading.Thread(target=work, name="check", daemon=True).start()
        return future
