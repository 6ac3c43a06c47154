"""A client without a network: what it sends goes straight to a conversation, what it gets is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from simplevoice.config import Config
from simplevoice.conversation.conversation import Conversation
from simplevoice.conversation.settings import Settings
from simplevoice.history import History
from simplevoice.observation import Observation, TurnReport
from simplevoice.performance import Performance
from simplevoice.protocol import AnyServerMessage, ClientMessage, ServerMessage, decode_server, encode
from simplevoice.registry import Connection
from simplevoice.turnstile import Turnstile
from tests.fakes.engines import FakeEngines

M = TypeVar("M", bound=ServerMessage)


class FakeClient:
    """The other end of a connection, and the conversation it talks to."""

    def __init__(self) -> None:
        self.received: list[AnyServerMessage] = []
        self.payloads: list[bytes] = []
        self.closed: tuple[int, bytes] | None = None
        self.reading = asyncio.Event()
        """Cleared, it takes nothing from the wire."""
        self.reading.set()
        self._arrived = asyncio.Condition()
        self.connection: Connection
        self.conversation: Conversation
        self.history: History
        self.performance = Performance()
        self.reports: list[TurnReport] = []

    @property
    def drained(self) -> bool:
        return self.reading.is_set()

    async def send_text(self, data: bytes) -> None:
        await self.reading.wait()
        async with self._arrived:
            self.received.append(decode_server(data.decode()))
            self._arrived.notify_all()

    async def send_bytes(self, data: bytes) -> None:
        self.payloads.append(data)

    async def pong(self, message: bytes) -> None:
        raise AssertionError("who speaks to a conversation pings it by a message")

    async def close(self, *, code: int, message: bytes, drain: bool) -> None:
        self.closed = (code, message)

    def abort(self) -> None:
        raise AssertionError("what is sent is taken at once")

    async def say(self, message: ClientMessage | bytes | str) -> None:
        await self.conversation.receive(encode(message) if isinstance(message, ClientMessage) else message)

    async def next(self, kind: type[M], count: int = 1) -> M:
        """Wait until ``count`` messages of a kind have come; gives the last of them."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]

    def all(self, kind: type[M]) -> list[M]:
        return [message for message in self.received if isinstance(message, kind)]

    @property
    def kinds(self) -> list[str]:
        """The types of what came, in order, runs of the same type once."""
        types = [str(m.__struct_config__.tag) for m in self.received]
        return [t for n, t in enumerate(types) if n == 0 or types[n - 1] != t]


@asynccontextmanager
async def connected(
    fakes: FakeEngines,
    config: Config | None = None,
    history: History | None = None,
    turnstile: Turnstile | None = None,
    **settings: Any,
) -> AsyncIterator[FakeClient]:
    """A client in conversation with fake engines; behind it nothing may be left running."""
    config = config or Config()
    places = turnstile or Turnstile(4, config.limits.turn_wait_seconds)
    client = FakeClient()
    chosen = Settings(
        **{
            "language": "en",
            "voice_type": "female",
            "turn_detection": "none",
            "response_mode": "complete",
            "audio_format": "mp3",
            "audio_transport": "base64",
            **settings,
        }
    )
    client.history = history or History(config.limits.history_turns)
    client.connection = Connection(
        client,
        connection_id="c",
        session_id="s",
        language=chosen.language,
        voice_type=chosen.voice_type,
        turn_detection=chosen.turn_detection,
        send_timeout=5.0,
    )
    client.conversation = Conversation(
        client.connection,
        chosen,
        lender=fakes,
        config=config,
        history=client.history,
        observation=Observation(client.performance.record, client.reports.append),
        turnstile=places,
    )
    client.connection.owner = client.conversation
    before = asyncio.all_tasks()
    try:
        yield client
    finally:
        await client.conversation.stop()
        await client.connection.close()
    assert fakes.running == 0
    if turnstile is None:
        assert (places.in_progress, places.waiting) == (0, 0)
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not left


def with_changes(config: Config, section: str, **changes: Any) -> Config:
    """The configuration with some fields of one section changed."""
    return msgspec.structs.replace(config, **{section: msgspec.structs.replace(getattr(config, section), **changes)})
