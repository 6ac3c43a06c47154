"""Several engines for one work: the first that can does it, and the next one takes over when it is down.

- An engine that failed soon, for a reason that passes, is asked once more at once.
- Then the next one is asked. Each has a breaker: after failures in a row it comes behind those that work, so that a
  dead one costs no turn any time. Probes in the background find out when it is back; an engine of this process that
  fails them too is loaded anew.
- Nobody is left unasked. Where all are down each gets its chance, so that a turn works as soon as any engine does.
"""

import asyncio
import math
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import msgspec
import structlog

from simplevoice.engines.breaker import Breaker
from simplevoice.engines.engine import Engine, EngineHealth
from simplevoice.engines.guard import Guard
from simplevoice.errors import BusyError, EngineError, SimpleVoiceError
from simplevoice.types import Language

log = structlog.get_logger(__name__)

QUICK_SECONDS = 1.0
"""Only what failed so soon, its pause included, is tried again: there must be time left for somebody else."""

LOAD_ANEW_SECONDS = 600.0
"""What loading an engine anew did not heal, doing so again does not soon; and what hangs keeps its memory."""

LOADING_SECONDS = 5.0
"""A turn waits so long for an engine that is being loaded anew, if it has nobody else."""

E = TypeVar("E", bound=Engine)
T = TypeVar("T")


class Member(NamedTuple, Generic[E]):
    """An engine, and its luck."""

    engine: E
    guard: Guard


class Failover(Engine, Generic[E]):
    """Engines in order of preference. All are loaded at the start: one that had to be loaded first would come late."""

    def __init__(
        self,
        engines: Sequence[E],
        failures: int,
        retry_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """After so many ``failures`` in a row an engine is left alone; it is probed each ``retry_seconds``."""
        self.name = engines[0].name
        self._clock = clock
        self._sleep = sleep
        self._loaded_anew: dict[E, float] = {}
        """When, on the clock."""
        self._being_loaded: dict[E, asyncio.Event] = {}
        self._members = [
            Member(engine, Guard(engine.name, Breaker(failures, retry_seconds, clock), sleep=sleep))
            for engine in engines
        ]

    @abstractmethod
    async def _try(self, engine: E) -> None:
        """Let an engine do the least that shows whether it works, or raise EngineError."""

    def _speaks(self, engine: E, language: Language) -> bool:
        """Whether an engine can be asked in a language."""
        return True

    def engine_for(self, language: Language) -> str:
        """Name the engine that is asked first now."""
        return next((member.engine.name for member in self._able(language)), self.name)

    async def load(self) -> None:
        """Load all. One at least must be there; of the others' failures the log and the health tell."""
        failures: list[SimpleVoiceError] = []
        for engine, _ in self._members:
            try:
                await engine.load()
            except SimpleVoiceError as error:
                failures.append(error)
                log.warning("engine_cannot_be_loaded", engine=engine.name, problem=str(error))
        if len(failures) == len(self._members):
            raise failures[0]

    async def warm_up(self) -> None:
        """Warm up all. One that fails is told of when nobody else is there, else it waits for its turn to be asked."""
        failures: list[SimpleVoiceError] = []
        usable = [member for member in self._members if member.engine.health().usable]
        for engine, guard in usable:
            try:
                await engine.warm_up()
            except EngineError as error:
                failures.append(error)
                if len(usable) > 1:
                    self._note_failure(Member(engine, guard), error)
        if failures and len(failures) == len(usable):
            raise failures[0]

    async def release(self) -> None:
        """Give back what conversations held. Nobody waits for an engine that is down: it is probed no more."""
        for engine, guard in self._members:
            await guard.rest()
            await engine.release()

    async def close(self) -> None:
        """Unload all, and forget who failed."""
        for engine, guard in self._members:
            await guard.reset()
            await engine.close()

    @property
    def workers(self) -> Sequence[Executor]:
        """Those of all."""
        return [pool for engine, _ in self._members for pool in engine.workers]

    def health(self) -> EngineHealth:
        """Tell the first engine's health, who is asked in its place if anybody is, and why."""
        first = self._members[0]
        told, *standing_by = (
            msgspec.structs.replace(engine.health(), breaker=guard.state) for engine, guard in self._members
        )
        told = msgspec.structs.replace(told, fallbacks=tuple(standing_by))
        if first.guard.state != "closed" and told.usable:
            told = msgspec.structs.replace(told, state="degraded")
        active = min(self._members, key=_rank)
        if active is not first:
            why = first.guard.failure or told.detail or told.state
            name = active.engine.name
            told = msgspec.structs.replace(told, state="degraded", active=name, detail=f"{why}; {name} in its place")
        return told

    async def _ask(self, ask: Callable[[E], Awaitable[T]], language: Language) -> tuple[Member[E], T]:
        """Let the first engine that can do the work, and say which one it was. Raises what the last one raised."""
        for member in self._members:  # who was left alone when the last conversation ended is probed again
            member.guard.watch(partial(self._probe, member.engine))
        failure: EngineError | BusyError | None = None
        for member in self._able(language):
            await self._there(member.engine)
            try:
                return member, await self._twice(partial(ask, member.engine))
            except BusyError as error:  # nothing is wrong with it
                failure = error
            except EngineError as error:
                failure = error
                self._note_failure(member, error)
        raise failure or EngineError(f"nobody is there for the language {language}")

    async def _twice(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and once more after a quick failure that may pass."""
        started = self._clock()
        try:
            return await ask()
        except EngineError as error:
            if error.retry_in is None or self._clock() + error.retry_in > started + QUICK_SECONDS:
                raise
            log.info("engine_asked_again", problem=str(error), after_seconds=error.retry_in)
            await self._sleep(error.retry_in)
        return await ask()

    def _note_failure(self, member: Member[E], error: EngineError) -> None:
        dead = error.broken or not member.engine.health().usable
        member.guard.fail(error, partial(self._probe, member.engine), dead=dead)

    async def _probe(self, engine: E) -> None:
        """Find out whether an engine works. One that died, or that fails in this process, is loaded anew."""
        if engine.health().usable:
            try:
                await self._try(engine)
            except EngineError as error:
                if not self._may_load_anew(engine):
                    raise
                log.warning("engine_loaded_anew", engine=engine.name, problem=str(error))
            else:
                return
        await self._load_anew(engine)
        await self._try(engine)

    async def _load_anew(self, engine: E) -> None:
        self._being_loaded[engine] = loaded = asyncio.Event()
        try:
            await engine.close()
            await engine.load()
        finally:
            del self._being_loaded[engine]
            loaded.set()

    async def _there(self, engine: E) -> None:
        """Wait for an engine that is being loaded anew. It is asked last: nobody else could do the work."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOADING_SECONDS):
                if loaded := self._being_loaded.get(engine):
                    await loaded.wait()

    def _may_load_anew(self, engine: E) -> bool:
        """Whether an engine runs in threads of this process, and was not loaded anew lately. If so, it will be."""
        now = self._clock()
        if not engine.workers or now < self._loaded_anew.get(engine, -math.inf) + LOAD_ANEW_SECONDS:
            return False
        self._loaded_anew[engine] = now
        return True

    def _able(self, language: Language) -> list[Member[E]]:
        """List who can work in a language, in the order in which they are asked now."""
        return sorted((member for member in self._members if self._speaks(member.engine, language)), key=_rank)


def _rank(member: Member[E]) -> int:
    """Those that work come first, then those left alone, and last those that are not there."""
    if not member.engine.health().usable:
        return 2
    return 0 if member.guard.state == "closed" else 1
