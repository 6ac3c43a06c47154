"""One-time tickets: what a web page presents in place of a token that it should not hold."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from simplevoice.caller import Token

LIFETIME_SECONDS = 60
MAX_TICKETS = 10_000
"""Outstanding at once; one token may hold a tenth of them."""
TICKET_BYTES = 32


class _Issued(NamedTuple):
    token: Token | None
    expires: float


class Tickets:
    """The tickets that were given out and neither used nor expired."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._issued: dict[str, _Issued] = {}
        """In the order of their expiry."""
        self._held: Counter[Token | None] = Counter()

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, token: Token | None) -> str | None:
        """Make a ticket for whoever presented a token, or None when too many are outstanding."""
        self._expire()
        if len(self._issued) >= MAX_TICKETS or self._held[token] >= MAX_TICKETS // 10:
            return None
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        self._issued[ticket] = _Issued(token, self._clock() + LIFETIME_SECONDS)
        self._held[token] += 1
        return ticket

    def redeem(self, ticket: str) -> Token | None:
        """Use a ticket up, and give the token that it stands for; None when it stands for none, or no longer."""
        self._expire()
        return self._take(ticket) if ticket in self._issued else None

    def _expire(self) -> None:
        now = self._clock()
        while self._issued:
            oldest, issued = next(iter(self._issued.items()))
            if issued.expires > now:
                break
            self._take(oldest)

    def _take(self, ticket: str) -> Token | None:
        token = self._issued.pop(ticket).token
        self._held[token] -= 1
        if not self._held[token]:
            del self._held[token]
        return token
