"""What hostile clients send, and the answer that each has to get."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from tests.reliability.wire import Wire

Act = Callable[[Wire], Awaitable[None]]


class Case(NamedTuple):
    """Something bad, said on a connection of its own. ``answer`` is what an observer writes down; see ``observe``."""

    what: str
    answer: str
    act: Act
    query: Mapping[str, str] = {}
    deaf: bool = False
    """Whether the client reads nothing until it is dropped."""


def saying(*messages: str | bytes) -> Act:
    """Send messages."""

    async def act(wire: Wire) -> None:
        for message in messages:
            await wire.send(message)

    return act


def writing(*parts: bytes) -> Act:
    """Send bytes as they are."""

    async def act(wire: Wire) -> None:
        for part in parts:
            await wire.write(part)

    return act


def audio_message(base64: str) -> str:
    """Make an audio_message of any text."""
    return '{"type":"audio_message","format":"wav","audio_data":"' + base64 + '"}'


def every(*groups: Sequence[Case]) -> list[Case]:
    """All cases; no two have the same name."""
    cases = [case for group in groups for case in group]
    assert len({case.what for case in cases}) == len(cases)
    return cases
