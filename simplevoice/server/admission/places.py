"""Places for connections: so many in all, for one address, for one token."""

from collections import Counter
from typing import Literal, NamedTuple, Self

from simplevoice.config import LimitsConfig
from simplevoice.errors import BusyError

Scope = Literal["server", "address", "token"]


class Visitor(NamedTuple):
    """Who asks for a place. The same one again is a client that comes back before its old connection was missed."""

    token: str | None
    connection_id: str
    session_id: str


class NoPlaceError(BusyError):
    """All places are taken: those of the server, of the address, or of the token."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"no place is left for the {scope}")
        self.scope = scope


class Place:
    """One place, left behind by ``with``. For a moment two share it: who comes back, and who is replaced."""

    __slots__ = ("_guests", "_keys", "_places", "_visitor")

    def __init__(self, places: "Places", visitor: Visitor, keys: tuple[tuple[Scope, str], ...]) -> None:
        self._places = places
        self._visitor = visitor
        self._keys = keys
        self._guests = 1

    def share(self) -> bool:
        """Let a second one in; False when there is one."""
        if self._guests > 1:
            return False
        self._guests += 1
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._guests -= 1
        if not self._guests:
            self._places.give_back(self, self._visitor, self._keys)


class Places:
    """The places that are taken."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[Scope, str]] = Counter()
        self._latest: dict[Visitor, Place] = {}

    def __len__(self) -> int:
        return self._taken["server", ""]

    def take(self, visitor: Visitor, address: str, limits: LimitsConfig) -> Place:
        """Take a place, or where there is none share the visitor's own old one. Raises NoPlaceError."""
        wanted: dict[tuple[Scope, str], int] = {
            ("server", ""): limits.max_connections,
            ("address", address): limits.connections_per_address,
            ("token", visitor.token or ""): limits.connections_per_token if visitor.token else 0,
        }
        full = next((key for key, bound in wanted.items() if bound and self._taken[key] >= bound), None)
        if full is None:
            self._taken.update(wanted.keys())
            place = self._latest[visitor] = Place(self, visitor, tuple(wanted))
            return place
        old = self._latest.get(visitor) if visitor.connection_id else None
        if old is None or not old.share():
            raise NoPlaceError(full[0])
        return old

    def give_back(self, place: Place, visitor: Visitor, keys: tuple[tuple[Scope, str], ...]) -> None:
        """Make room for the next one."""
        self._taken.subtract(keys)
        for key in keys:
            if not self._taken[key]:
                del self._taken[key]
        if self._latest.get(visitor) is place:
            del self._latest[visitor]
