"""Who is at the other end of a connection."""

import msgspec


class Token(msgspec.Struct, frozen=True):
    """A valid token: its name, and a digest that tells it from a later token of that name."""

    name: str
    digest: bytes


class Caller(msgspec.Struct, frozen=True):
    """A caller that was let in: with which token, None where none is asked for, and from which address."""

    token: Token | None = None
    address: str = ""

    @property
    def name(self) -> str | None:
        """Name the caller by its token."""
        return None if self.token is None else self.token.name


ANYBODY = Caller()
