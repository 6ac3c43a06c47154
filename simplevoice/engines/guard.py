"""What is known of one service's luck: a breaker, why it failed last, and probes while it is left alone."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from simplevoice.engines.breaker import Breaker, BreakerState
from simplevoice.errors import SimpleVoiceError

log = structlog.get_logger(__name__)

Probe = Callable[[], Awaitable[None]]
"""Lets a service do the least that shows whether it works, or raises SimpleVoiceError."""


class Guard:
    """Counts a service's failures, and probes it in the background while its breaker is open: never on a user's turn.

    ``failure`` is why it failed last, None when it worked since.
    """

    def __init__(
        self, name: str, breaker: Breaker, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.failure: str | None = None
        self._name = name
        self._breaker = breaker
        self._sleep = sleep
        self._prober: asyncio.Task[None] | None = None

    @property
    def state(self) -> BreakerState:
        """The breaker's."""
        return self._breaker.state

    def succeed(self) -> None:
        """Note that the service did its work."""
        self.failure = None
        self._breaker.succeed()

    def fail(self, error: SimpleVoiceError, probe: Probe, *, dead: bool = False) -> None:
        """Note a failure; a ``dead`` service needs no second one. ``probe`` tries it while the breaker is open."""
        self.failure = str(error)
        if dead:
            self._breaker.open()
        else:
            self._breaker.fail()
        log.warning("engine_failed", engine=self._name, problem=self.failure, breaker=self.state)
        self.watch(probe, at_once=dead)

    def watch(self, probe: Probe, *, at_once: bool = False) -> None:
        """Probe until the breaker is closed, unless it is or that is being done."""
        if self.state != "closed" and (self._prober is None or self._prober.done()):
            self._prober = asyncio.create_task(self._probe_until_back(probe, at_once), name=f"probe {self._name}")

    async def rest(self) -> None:
        """Stop probing."""
        prober, self._prober = self._prober, None
        if prober is not None:
            prober.cancel()
            await asyncio.wait([prober])

    async def reset(self) -> None:
        """Stop probing, and forget."""
        await self.rest()
        self.succeed()

    async def _probe_until_back(self, probe: Probe, at_once: bool) -> None:
        while self.state != "closed":
            if not at_once and (seconds := self._breaker.probe_in) > 0:
                await self._sleep(seconds)
                continue
            at_once = False
            self._breaker.probe()
            try:
                await probe()
            except SimpleVoiceError as error:
                self.failure = str(error)
                self._breaker.fail()
                log.info("engine_still_fails", engine=self._name, problem=self.failure)
            except Exception:
                self._breaker.fail()
                log.exception("probe_crashed", engine=self._name)
            else:
                self.succeed()
        log.info("engine_is_back", engine=self._name)
