"""The daemon as its users run it: a process of its own, known by its log and by what it says on a real socket."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar

import aiohttp
from msgspec import UnsetType

from simplevoice.models.store import ModelStore
from simplevoice.protocol import (
    AnyServerMessage,
    AudioChunk,
    ClientMessage,
    ConnectionEstablished,
    ErrorMessage,
    ServerMessage,
    decode_server,
    encode,
)

M = TypeVar("M", bound=ServerMessage)

START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 50.0, 20.0, 40.0
"""On a machine with much else to do; alone it takes a tenth of each."""

OPTIONS = (
    "--port=0",
    "--log-format=json",
    "--log-level=debug",
    "--models-offline",
    "--llm-engine=llama",
    "--llm-model=smollm2-135m",
    "--llm-temperature=0",
)
"""The default engines, with the one language model that every machine can have, and the same reply every time."""


class Daemon:
    """A running ``simplevoice serve``. ``log`` holds what it wrote, line by line."""

    def __init__(self, weights: ModelStore, options: tuple[str, ...], environment: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIMPLEVOICE_")}
        self.log: list[dict[str, Any]] = []
        self._ended = False
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simplevoice", "serve", f"--models-dir={weights.root}", *OPTIONS, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**kept, **environment},
            encoding="utf-8",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="log of the daemon")
        self._reader.start()

    @classmethod
    @contextmanager
    def running(
        cls, weights: ModelStore, *options: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[Self]:
        """Start one, wait until it is ready, and stop it: cleanly, with nothing left and no error logged."""
        daemon = cls(weights, options, environment or {})
        try:
            daemon.wait_for("ready")
            yield daemon
        finally:
            code = daemon.stop()
        assert code == 0, daemon.log[-5:]
        assert daemon.log[-1]["event"] == "stopped"
        assert [entry for entry in daemon.log if entry["level"] in ("error", "critical")] == []

    @property
    def url(self) -> str:
        """Where it listens, as its log says."""
        url: str = self.wait_for("listening")["url"]
        return url

    def wait_for(self, event: str, count: int = 1, **facts: Any) -> dict[str, Any]:
        """Wait until it has logged an event ``count`` times, with these facts; gives that line. It blocks."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self.logged(event, **facts)) >= count, START_SECONDS)
            found = self.logged(event, **facts)
        assert len(found) >= count, f"no {event!r} in the log: {self.log[-5:]}"
        return found[count - 1]

    def logged(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        """The lines of the log that tell of an event, with these facts."""
        wanted = {"event": event, **facts}.items()
        return [entry for entry in self.log if wanted <= entry.items()]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop as a service manager does, and give its exit code. Whatever is left of it is a failure."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise
        finally:
            self._reader.join(STOP_SECONDS)
            _no_process_left(self._process.pid)

    @asynccontextmanager
    async def connect(self, **query: str) -> AsyncIterator["Client"]:
        """Open a conversation, a new one in English unless told otherwise."""
        query = {"connection_id": f"client-{uuid.uuid4().hex}", "language": "en", **query}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.url, params=query, max_msg_size=0) as socket,
        ):
            client = Client(socket)
            try:
                await client.next(ConnectionEstablished)
                yield client
            finally:
                await client.close()

    async def get(self, path: str) -> Any:
        """Get JSON from a path below the conversation's."""
        async with aiohttp.ClientSession() as session, session.get(f"{_http(self.url)}/{path}") as response:
            assert response.status == 200
            return await response.json()

    async def status(self) -> dict[str, Any]:
        """Get the status."""
        answer: dict[str, Any] = await self.get("status")
        return answer

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                with self._changed:
                    self.log.append(_parse(line))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Client:
    """One client's end of the socket. It keeps all that was said, in both directions, as it stood on the wire."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        self.socket = socket
        self.received: list[AnyServerMessage] = []
        self.wire_in: list[str] = []
        self.wire_out: list[str] = []
        self._sound: dict[str, list[bytes]] = {}
        self._arrivals: dict[str, list[float]] = {}
        self._announced: AudioChunk | None = None
        self._arrived = asyncio.Condition()
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    async def say(self, message: ClientMessage | bytes | str) -> None:
        """Send a message, or a text as it is."""
        if isinstance(message, bytes):
            await self.socket.send_bytes(message)
            return
        text = message if isinstance(message, str) else encode(message)
        self.wire_out.append(text)
        await self.socket.send_str(text)

    async def until(self, come: Callable[[], bool]) -> None:
        """Wait until what has come is enough."""
        async with asyncio.timeout(ANSWER_SECONDS), self._arrived:
            await self._arrived.wait_for(lambda: self._ended or come())
        assert come(), f"the connection ended after {[type(m).__name__ for m in self.received[-10:]]}"

    async def next(self, kind: type[M], count: int = 1) -> M:
        """Wait until ``count`` messages of a kind have come; gives the last of them. An error ends the waiting."""
        failed = len(self.all(ErrorMessage))
        await self.until(lambda: len(self.all(kind)) >= count or len(self.all(ErrorMessage)) > failed)
        assert len(self.all(kind)) >= count, self.all(ErrorMessage)
        return self.all(kind)[count - 1]

    async def ask(self, message: ClientMessage | bytes, kind: type[M]) -> M:
        """Send a message, and wait for the next message of a kind."""
        count = len(self.all(kind))
        await self.say(message)
        return await self.next(kind, count + 1)

    def all(self, kind: type[M]) -> list[M]:
        """All messages of a kind that have come."""
        return [message for message in self.received if isinstance(message, kind)]

    def of_turn(self, turn_id: str, kind: type[M]) -> list[M]:
        """All messages of a kind that belong to a turn."""
        return [message for message in self.all(kind) if getattr(message, "turn_id", None) == turn_id]

    def sound(self, turn_id: str) -> bytes:
        """Join the chunks of a turn, which must be numbered without a gap and be as long as they say."""
        chunks = self.of_turn(turn_id, AudioChunk)
        assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
        assert [chunk.size for chunk in chunks] == [len(data) for data in self._sound[turn_id]]
        return b"".join(self._sound[turn_id])

    def longest_gap(self, turn_id: str, bytes_per_second: int) -> float:
        """How long a player of the chunks, which began with the first, had to wait for one of them, seconds."""
        arrivals, playing_until, longest = self._arrivals[turn_id], self._arrivals[turn_id][0], 0.0
        for arrived, data in zip(arrivals, self._sound[turn_id], strict=True):
            longest = max(longest, arrived - playing_until)
            playing_until = max(playing_until, arrived) + len(data) / bytes_per_second
        return longest

    async def close(self) -> None:
        """Say goodbye; whatever the reader stumbled over is raised."""
        await self.socket.close()
        await self._reader

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                async with self._arrived:
                    self._take(message.data)
                    self._arrived.notify_all()
        finally:
            async with self._arrived:
                self._ended = True
                self._arrived.notify_all()

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            assert self._announced is not None, "a binary message that no audio_chunk announced"
            chunk, self._announced = self._announced, None
            self._keep(chunk, data)
            return
        self.wire_in.append(data)
        message = decode_server(data)
        self.received.append(message)
        if not isinstance(message, AudioChunk):
            return
        if isinstance(message.audio_base64, UnsetType):
            assert self._announced is None, "two chunks announced, none sent"
            self._announced = message
        else:
            self._keep(message, message.audio_base64)

    def _keep(self, chunk: AudioChunk, data: bytes) -> None:
        self._sound.setdefault(chunk.turn_id, []).append(data)
        self._arrivals.setdefault(chunk.turn_id, []).append(time.monotonic())


def _parse(line: str) -> dict[str, Any]:
    """Read a line of the log; one that is no JSON is an error of its own."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "not_json", "level": "error", "line": line}
    return entry


def _no_process_left(group: int) -> None:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return
    raise AssertionError("processes of the daemon are left")


def _http(url: str) -> str:
    return url.replace("ws://", "http://", 1)
