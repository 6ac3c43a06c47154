"""The daemon as its users run it: a process of its own, known by its log and by what it says on a real socket."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar

import aiohttp

from simplevoice.client import Conversation, connect
from simplevoice.errors import ConnectionFailedError
from simplevoice.models.store import ModelStore
from simplevoice.protocol import AnyServerMessage, AudioChunk, ClientMessage, ErrorMessage, ServerMessage, encode

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
        """Start one, wait until it is ready and warm, and stop it: cleanly, with nothing left and no error logged."""
        daemon = cls(weights, options, environment or {})
        try:
            daemon.wait_for("ready")
            daemon.wait_for("warmed_up")
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
    async def connect(self, **opening: Any) -> AsyncIterator["Client"]:
        """Open a conversation, a new one in English unless told otherwise."""
        wire: list[str] = []
        async with connect(self.url, on_text=wire.append, **{"language": "en", **opening}) as conversation:
            client = Client(conversation, wire)
            try:
                yield client
            finally:
                client.leave()
        await client.ended()

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
    """One client's end of a conversation. It keeps all that was said, also as it stood on the wire."""

    def __init__(self, conversation: Conversation, wire_in: list[str]) -> None:
        self.received: list[AnyServerMessage] = [conversation.established]
        self.wire_in = wire_in
        self.wire_out: list[str] = []
        self.close_code: int | None = None
        """What the daemon closed the connection with; None as long as it has not."""
        self._conversation = conversation
        self._arrived = asyncio.Condition()
        self._ended = self._leaving = False
        self._reader = asyncio.create_task(self._read())

    async def say(self, message: ClientMessage | bytes) -> None:
        """Send a message."""
        if not isinstance(message, bytes):
            self.wire_out.append(encode(message))
        await self._conversation.send(message)

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
        assert [chunk.size for chunk in chunks] == [len(chunk.audio_base64 or b"") for chunk in chunks]
        return b"".join(chunk.audio_base64 or b"" for chunk in chunks)

    def leave(self) -> None:
        """Take the end of the connection, which comes next, as one's own doing."""
        self._leaving = True

    async def ended(self) -> None:
        """Wait until nothing more can come, when the connection is closed."""
        await self._reader

    async def _read(self) -> None:
        try:
            while True:
                message = await self._conversation.receive()
                async with self._arrived:
                    self.received.append(message)
                    self._arrived.notify_all()
        except ConnectionFailedError as end:
            if not self._leaving and end.close_code is None:
                raise
            self.close_code = end.close_code
        finally:
            async with self._arrived:
                self._ended = True
                self._arrived.notify_all()


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
