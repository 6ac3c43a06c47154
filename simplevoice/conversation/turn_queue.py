"""The turns of one connection: one in progress, a few that wait behind it, and the one before, which may still play."""

import asyncio
from collections.abc import Callable
from typing import Literal

from simplevoice.config import LimitsConfig
from simplevoice.conversation.turn import Turn
from simplevoice.errors import BusyError
from simplevoice.protocol import InterruptReason
from simplevoice.rates import turns_allowed

MAX_WAITING = 2
"""Utterances that wait behind the turn in progress."""


class TurnQueue:
    """Runs the turns one after the other; calls ``moved`` when none is left."""

    __slots__ = ("_allowed", "_last", "_moved", "_name", "_prepared", "_turns", "_worker")

    def __init__(self, name: str, limits: LimitsConfig, moved: Callable[[], object]) -> None:
        self._name = name
        self._moved = moved
        self._allowed = turns_allowed(limits)
        self._turns: list[Turn] = []
        """The turn in progress, and behind it those that wait."""
        self._last: Turn | None = None
        """The turn before, whose reply the client may still be playing."""
        self._prepared: Turn | None = None
        """What is worked on ahead, until it is a turn or another one comes first."""
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def waiting(self) -> int:
        """How many turns wait behind the one in progress."""
        return max(0, len(self._turns) - 1)

    @property
    def state(self) -> Literal["thinking", "speaking"] | None:
        """What is done for the turn in progress, else for the one before."""
        if self._turns:
            return "speaking" if self._turns[0].speaking else "thinking"
        return "speaking" if self.speaking else None

    @property
    def working(self) -> bool:
        """Whether there is a turn, or what is left of one."""
        return self._worker is not None and not self._worker.done()

    @property
    def speaking(self) -> bool:
        """Whether a reply is being spoken, as far as can be known."""
        return (bool(self._turns) and self._turns[0].speaking) or (self._last is not None and self._last.playing)

    @property
    def interruptible(self) -> list[Turn]:
        """The turn before, while the client still plays it, and the one in progress."""
        playing = [self._last] if self._last is not None and self._last.playing else []
        return [*playing, *([self._turns[0]] if self._turns else [])]

    def named(self, turn_id: str) -> list[Turn]:
        """The turn of that name, if it is still known."""
        return [turn for turn in (self._last, *self._turns) if turn is not None and turn.id == turn_id]

    def prepare(self, turn: Turn) -> bool:
        """Begin to work on what may be a turn; False when others need the place."""
        if not turn.start_ahead():
            return False
        self._prepared = turn
        return True

    def submit(self, turn: Turn) -> None:
        """Let a turn be answered, now or after those before it. Raises BusyError or RateLimitedError."""
        if len(self._turns) > MAX_WAITING:
            raise BusyError(f"{MAX_WAITING} utterances wait already")
        self._allowed.take()
        self._turns.append(turn)
        self._halt_prepared(but=turn)  # a connection holds one place, not two
        if not self.working:
            self._worker = asyncio.create_task(self._work(), name=f"turns {self._name}")
            self._worker.add_done_callback(lambda _: self._moved())

    async def cut(self, turn: Turn, reason: InterruptReason, played_ms: float | None = None) -> None:
        """Interrupt a turn. For the client it is over at once, for the turns that wait when its work has ended."""
        if turn in self._turns:
            self._keep(turn)
            self._turns.remove(turn)
        await turn.interrupt(reason, played_ms)

    def forget(self) -> None:
        """Let the history remember nothing of the turns that are not over, and drop work ahead: it still knows it."""
        for turn in self._turns:
            turn.forget()
        self._halt_prepared()

    async def stop(self, reason: InterruptReason | None) -> None:
        """End the turn in progress, and forget those that wait."""
        turns = list(self._turns)
        self._turns.clear()
        if turns and not turns[0].concluded:
            await turns[0].interrupt(reason)
        for turn in turns:
            await turn.cancel()
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def _keep(self, turn: Turn) -> None:
        """Remember a turn that is over, if there is sound of it that the client may be playing."""
        if turn.sounded:
            self._last = turn

    def _halt_prepared(self, but: Turn | None = None) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared is not but:
            prepared.halt()

    async def _work(self) -> None:
        while self._turns:
            turn = self._turns[0]
            turn.start()
            await turn.release()
            await turn.wait()
            self._keep(turn)
            if self._turns and self._turns[0] is turn:
                del self._turns[0]
