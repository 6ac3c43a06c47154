"""What every engine has in common: loaded once, shared by all connections, honest about its state."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Literal

import msgspec

from simplevoice.engines.breaker import BreakerState

EngineState = Literal["stopped", "loading", "ready", "degraded", "failed"]


class EngineHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the status shows of an engine. ``detail`` is for operators: why this engine, or what is wrong.

    Where failures are counted, ``breaker`` tells of them. Where others stand by, these are the ``fallbacks``, and
    ``active`` is the name of the one that is asked first now.
    """

    engine: str
    state: EngineState
    model: str | None = None
    device: str | None = None
    detail: str | None = None
    waiting: int = 0
    """Requests that wait for a place in the engine."""
    active: str | None = None
    breaker: BreakerState | None = None
    fallbacks: tuple["EngineHealth", ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return self.state in ("ready", "degraded")


class Engine(ABC):
    """An engine shared by all connections.

    Whatever belongs to one utterance lives in the call, never in the engine. All methods run on the event loop
    and never block it. Every call may be cancelled, and then leaves nothing running that it could stop.
    """

    name: str
    """The engine that the configuration asks for; another one may have to do its work."""

    @abstractmethod
    async def load(self) -> None:
        """Make the engine able to work, or raise EngineError or ModelError. Calling it again does nothing."""

    async def warm_up(self) -> None:
        """Do once what makes the first utterance slower than the second."""
        return

    async def release(self) -> None:
        """Give back what conversations held (HTTP pools, prepared voices). The next call makes it anew."""
        return

    async def close(self) -> None:
        """Unload. ``load`` may be called again."""
        return

    @property
    def workers(self) -> Sequence[Executor]:
        """The thread pools of its own that calls run in, for a watchdog to try."""
        return ()

    @abstractmethod
    def health(self) -> EngineHealth:
        """The state now, without asking anybody."""


def shut_down(pool: Executor, seconds: float) -> bool:
    """End a pool of threads; False when one of them hangs for so long, and is left behind with all it holds. Blocks."""
    ending = threading.Thread(target=pool.shutdown, daemon=True)
    ending.start()
    ending.join(seconds)
    return not ending.is_alive()
