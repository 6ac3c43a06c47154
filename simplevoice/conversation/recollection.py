"""What the history holds of one turn: what the user said, and how much of the reply was heard."""

import math

from simplevoice.conversation.playback import Playback
from simplevoice.history import Exchange, History
from simplevoice.protocol import InterruptReason


class Recollection:
    """One turn's part of the history. Before it is known what the user said, there is none."""

    def __init__(self, history: History, playback: Playback) -> None:
        self.said = ""
        """What the user said; empty until that is known."""
        self.pieces: list[str] = []
        """The reply, as far as it is written."""
        self._history = history
        self._playback = playback
        self._exchange: Exchange | None = None
        self._forgotten = False
        self._estimated = False
        """Whether it was estimated, not told, what was heard of an interrupted reply."""
        self._talked_over = False

    @property
    def words(self) -> tuple[str, str]:
        """What was said, and the reply to it."""
        return self.said, " ".join(self.pieces)

    def forget(self) -> None:
        """Let the history hold nothing of this turn."""
        self._forgotten = True

    def answered(self, reply: str) -> None:
        """Hold the whole reply, which the user will hear unless it is interrupted."""
        self._hold(reply)

    def failed(self) -> None:
        """Hold what was sent of the reply; a question of which nothing was sent is not asked again."""
        if self._playback.begun:
            self._hold(self._playback.heard(self.pieces, math.inf))
        else:
            self._history.give_up()

    def interrupted(self, reason: InterruptReason | None, played_ms: float | None) -> str:
        """Hold what was heard of the reply, and give it; without ``played_ms`` it is estimated."""
        self._estimated = played_ms is None
        self._talked_over = reason == "speech"
        heard = self._playback.heard(self.pieces, played_ms)
        if self.said:
            self._hold_heard(heard)
        return heard

    def correct(self, played_ms: float) -> None:
        """Put what the client tells in the place of what was estimated."""
        if self._estimated and self._exchange is not None:
            self._hold_heard(self._playback.heard(self.pieces, played_ms))

    def _hold_heard(self, heard: str) -> None:
        """Hold what was heard; who spoke before anything was heard goes on with what was said."""
        self._hold(heard).goes_on = self._talked_over and not heard

    def _hold(self, reply: str) -> Exchange:
        if self._exchange is not None:
            self._exchange.assistant = reply
        elif self._forgotten:
            self._exchange = Exchange(self.said, reply)
        else:
            self._exchange = self._history.add(self.said, reply)
        return self._exchange
