"""What the client plays of a reply: how long it is, since when, and which words were heard of it."""

import time
from collections.abc import Callable, Sequence


class Playback:
    """The sound of one reply. Playing is taken to begin with the first of it that is sent."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._durations: dict[int, float] = {}
        self._since: float | None = None

    def add(self, piece: int, duration_ms: float) -> None:
        """Count sound of a piece of the reply."""
        self._durations[piece] = self._durations.get(piece, 0.0) + duration_ms

    def begin(self) -> None:
        """Note that the client begins to play."""
        self._since = self._clock()

    @property
    def begun(self) -> bool:
        """Whether there is something to play."""
        return self._since is not None

    @property
    def playing(self) -> bool:
        """Whether the client, as far as can be known, still plays."""
        return self.begun and self.played_ms < self.duration_ms

    @property
    def duration_ms(self) -> float:
        """The length of the sound."""
        return sum(self._durations.values())

    @property
    def played_ms(self) -> float:
        """The time since the client began to play."""
        return 0.0 if self._since is None else (self._clock() - self._since) * 1000

    def heard(self, pieces: Sequence[str], played_ms: float | None = None) -> str:
        """Give the text that was played: whole pieces, and of the last one its share of words.

        ``played_ms`` is what the client tells; None estimates it.
        """
        if not self.begun:
            return ""
        left = self.played_ms if played_ms is None else played_ms
        heard: list[str] = []
        for index, text in enumerate(pieces):
            words, duration = text.split(), self._durations.get(index, 0.0)
            share = min(1.0, left / duration) if duration else 0.0
            heard += words[: round(len(words) * share)]
            left = max(0.0, left - duration)
        return " ".join(heard)
