"""What happened to one client, in the order of time: told when it waited for too long."""

import time
from typing import NamedTuple

from msgspec import UNSET

from simplevoice.protocol import AnyServerMessage, ErrorMessage


class Entry(NamedTuple):
    """What was so, or happened, from a moment of the monotonic clock on."""

    at: float
    what: str
    times: int = 1
    until: float = 0.0
    """When it happened last, where it did more than once."""


class Story:
    """What a client did and heard. What comes again and again takes one entry."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._entries: list[Entry] = []

    def note(self, what: str) -> None:
        """Note what happens now."""
        now = time.monotonic()
        if self._entries and self._entries[-1].what == what:
            last = self._entries.pop()
            self._entries.append(last._replace(times=last.times + 1, until=now))
        else:
            self._entries.append(Entry(now, what))

    def heard(self, message: AnyServerMessage) -> None:
        """Note a message."""
        words = [str(message.__struct_config__.tag)]
        if (turn_id := getattr(message, "turn_id", UNSET)) is not UNSET:
            words.append(turn_id)
        if isinstance(message, ErrorMessage):
            words.append(message.error_code)
        self.note(" ".join(words))

    def told(self, *others: Entry) -> list[str]:
        """Write it down, a line an entry, with what others have to add."""
        return [self._line(entry) for entry in sorted([*self._entries, *others])]

    def _line(self, entry: Entry) -> str:
        again = f", {entry.times} times until {entry.until - self.began:.1f} s" if entry.times > 1 else ""
        return f"{entry.at - self.began:6.1f} s  {entry.what}{again}"
