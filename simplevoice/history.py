"""What conversations remember, in memory only: so many turns, and for so long after the client has left."""

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


@dataclass(slots=True, eq=False)
class _Session:
    """A conversation, and how many connections have it open."""

    history: History
    connections: int = 0
    left_at: float = 0.0
    """When the last of them left, on the store's clock, seconds."""


class SessionStore:
    """Conversations by ``session_id``. They outlive their connections, bounded in number and time.

    One that is open is never forgotten, however long it lasts.
    """

    def __init__(self, limits: LimitsConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._open: dict[str, _Session] = {}
        self._left: OrderedDict[str, _Session] = OrderedDict()
        """Those that nobody has open, in the order in which they were left."""

    def __len__(self) -> int:
        return len(self._open) + len(self._left)

    def open(self, session_id: str) -> History:
        """Give the conversation of that name, a new one if it is not remembered. It is open until ``leave``."""
        self._forget_idle()
        session = self._open.get(session_id) or self._left.pop(session_id, None)
        if session is None:
            session = _Session(History(self.limits.history_turns))
        self._open[session_id] = session
        session.connections += 1
        return session.history

    def leave(self, session_id: str) -> None:
        """Note that one of its connections is gone; behind the last one, it may be forgotten after a while."""
        session = self._open[session_id]
        session.connections -= 1
        if session.connections:
            return
        session.left_at = self._clock()
        self._left[session_id] = self._open.pop(session_id)
        while len(self._left) > self.limits.sessions:
            self._left.popitem(last=False)

    def _forget_idle(self) -> None:
        oldest_allowed = self._clock() - self.limits.session_idle_seconds
        while self._left and next(iter(self._left.values())).left_at <= oldest_allowed:
            self._left.popitem(last=False)
