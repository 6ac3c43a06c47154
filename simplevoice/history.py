"""What conversations remember: in memory only, bounded in turns, sessions and idle time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from simplevoice.config import LimitsConfig


@dataclass(slots=True, eq=False)
class Exchange:
    """One turn: what the user said, and what of the reply the user heard, which an interruption makes less."""

    user: str
    assistant: str
    goes_on: bool = False
    """Whether the user spoke on before anything was heard: what comes next belongs to it."""


class History:
    """The exchanges of one conversation, oldest first."""

    __slots__ = ("_exchanges", "_max_turns")

    def __init__(self, max_turns: int) -> None:
        self._exchanges: list[Exchange] = []
        self._max_turns = max_turns

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What is remembered, oldest first."""
        return tuple(self._exchanges)

    def add(self, user: str, assistant: str) -> Exchange:
        """Remember a turn; the oldest is forgotten when there are too many."""
        exchange = Exchange(user, assistant)
        self._exchanges.append(exchange)
        del self._exchanges[: max(0, len(self._exchanges) - self._max_turns)]
        return exchange

    def give_up(self) -> None:
        """Ask no more for an answer to what has none: the user was told that there will be none."""
        for exchange in reversed(self._exchanges):
            if exchange.assistant:
                break
            exchange.goes_on = False

    def clear(self) -> None:
        """Forget everything."""
        self._exchanges.clear()


class SessionStore:
    """Conversations by ``session_id``; they outlive their connections."""

    def __init__(self, limits: LimitsConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._sessions: OrderedDict[str, tuple[float, History]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, session_id: str) -> History:
        """Give the conversation of that name, a new one if it is not remembered, and note that it is in use."""
        self._forget_idle()
        _, history = self._sessions.pop(session_id, (0.0, None))
        if history is None:
            history = History(self.limits.history_turns)
        self._sessions[session_id] = (self._clock(), history)
        while len(self._sessions) > self.limits.sessions:
            self._sessions.popitem(last=False)
        return history

    def _forget_idle(self) -> None:
        oldest_allowed = self._clock() - self.limits.session_idle_seconds
        while self._sessions:
            used, _ = next(iter(self._sessions.values()))
            if used > oldest_allowed:
                break
            self._sessions.popitem(last=False)
