"""Real sockets: clients that leave, come back, don't read, and a daemon that goes down."""

import asyncio
import socket
from typing import Any, get_args

import pytest

from simplevoice.protocol import (
    AnyServerMessage,
    AudioChunk,
    ConnectionEstablished,
    GoingAway,
    Interrupted,
    Ping,
    Pong,
    SpeechStart,
    TextMessage,
    TurnProcessingStarted,
    VoiceResponse,
)
from simplevoice.server.drain import drain
from simplevoice.server.keys import REGISTRY, SERVICE
from tests.races.engines import SPEAKING_STAGES, STAGES, Manner, TroubledEngines, silence, speech
from tests.races.law import assert_lawful
from tests.races.scene import PCM, until_true
from tests.unit.conversation.test_pipeline import wav
from tests.unit.server.conftest import Daemon, Line, Start

STREAM: dict[str, Any] = {"response_mode": "stream", "audio_format": "pcm16"}


async def open_line(service: Daemon, **query: str) -> Line:
    line = await service.connect(**{**STREAM, **query})
    assert isinstance(await line.next(), ConnectionEstablished)
    return line


async def until(line: Line, kind: type[AnyServerMessage]) -> list[AnyServerMessage]:
    """Read up to the first message of a kind."""
    received: list[AnyServerMessage] = []
    while not received or not isinstance(received[-1], kind):
        received.append(await line.next())
    return received


async def answered(line: Line, text: str = "and now") -> list[AnyServerMessage]:
    await line.say(TextMessage(text=text))
    received = await until(line, VoiceResponse)
    assert_lawful(received)
    return received


async def emptied(service: Daemon) -> None:
    """Wait until nobody is connected and nothing is at work."""
    app = service.http.app
    assert app is not None
    await until_true(lambda: not (len(app[REGISTRY]) or app[SERVICE]._users or service.fakes.running))


async def converse_anew(service: Daemon) -> None:
    line = await open_line(service)
    await answered(line)
    await line.socket.close()
    await emptied(service)


def abort(line: Line) -> None:
    """Vanish without a close frame."""
    transport = line.socket._response.connection
    assert transport is not None
    assert transport.transport is not None
    transport.transport.abort()


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_a_client_leaves(daemon: Start, stage: str, manner: Manner, politely: bool) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes)
    trouble = fakes.trouble(stage, manner)
    line = await open_line(service)
    await line.say(wav())
    await line.say(TextMessage(text="one that waits"))
    await trouble.reached.wait()
    if stage in SPEAKING_STAGES:
        await until(line, AudioChunk)
    closing = asyncio.create_task(line.socket.close()) if politely else None
    if closing is None:
        abort(line)
    await trouble.cancelled.wait()
    trouble.let_go.set()
    if closing is not None:
        await closing
    await emptied(service)
    assert len(fakes.model.received) <= 1
    await converse_anew(service)


@pytest.mark.parametrize("ms", [0, 100, 400, 1100, 2000])
async def test_a_client_leaves_its_stream(daemon: Start, ms: int) -> None:
    service = await daemon(TroubledEngines())
    line = await open_line(service, turn_detection="server_vad")
    await line.say(PCM)
    await line.say((speech(960) + silence(1040))[: 32 * ms])
    if ms == 2000:
        await until(line, TurnProcessingStarted)
    abort(line)
    await emptied(service)
    await converse_anew(service)


@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_a_connection_is_taken_over(daemon: Start, stage: str, manner: Manner) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes)
    trouble = fakes.trouble(stage, manner)
    old = await open_line(service)
    await old.say(wav())
    await trouble.reached.wait()
    taking_over = asyncio.create_task(open_line(service))
    received = await until(old, Interrupted)
    assert_lawful(received)
    assert received[-1].reason == "replaced"  # type: ignore[union-attr]  # until() gave an Interrupted
    await old.say(TextMessage(text="am I still here"))
    trouble.let_go.set()
    assert await old.closed() == (1008, "replaced")
    new = await taking_over
    await answered(new)
    assert fakes.running == 0
    assert (await service.status())["active_connections"] == 1
    await new.socket.close()
    await emptied(service)


async def test_a_connection_is_taken_over_again_and_again(daemon: Start) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes)
    trouble = fakes.trouble("model", "slow")
    old = await open_line(service)
    await old.say(TextMessage(text="what time is it"))
    await trouble.reached.wait()
    lines = [await service.connect(**STREAM) for _ in range(4)]  # each while the one before waits for the engine
    trouble.let_go.set()
    for line in [old, *lines[:-1]]:
        assert (await line.closed()) == (1008, "replaced")
    assert isinstance(await lines[-1].next(), ConnectionEstablished)
    await answered(lines[-1])
    await lines[-1].socket.close()
    await emptied(service)


async def test_two_connections_share_a_session_and_its_memory(daemon: Start) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes)
    lines = [await open_line(service, connection_id=f"c{n}", session_id="s") for n in range(2)]
    trouble = fakes.trouble("model")
    await lines[0].say(TextMessage(text="my name is Omar"))
    await trouble.reached.wait()
    await answered(lines[1], "my name is Layla")
    abort(lines[1])
    trouble.go.set()
    await until(lines[0], VoiceResponse)
    await answered(lines[0], "what is my name")
    asked = [message.content for message in fakes.model.received[-1] if message.role == "user"]
    assert asked == ["my name is Layla", "my name is Omar", "what is my name"]
    await lines[0].socket.close()
    await emptied(service)


async def test_a_ping_is_answered_during_a_turn(daemon: Start) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes)
    trouble = fakes.trouble("speaker")
    line = await open_line(service)
    await line.say(wav())
    await trouble.reached.wait()
    await line.say(Ping())
    await until(line, Pong)
    trouble.go.set()
    await until(line, VoiceResponse)
    await line.socket.close()
    await emptied(service)


async def test_a_flood_during_a_turn_ends_with_the_connection(daemon: Start) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes, limits_messages_per_second=1.0)
    trouble = fakes.trouble("model", "slow")
    line = await open_line(service)
    await line.say(TextMessage(text="what time is it"))
    await trouble.reached.wait()
    for _ in range(60):
        await line.say(Ping())
    await trouble.cancelled.wait()
    trouble.let_go.set()
    assert await line.closed() == (1008, "rate limit")
    await emptied(service)
    await converse_anew(service)


class DeafClient:
    """Asks on a bare socket with a small window, and then reads nothing."""

    def __init__(self, service: Daemon, query: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self._address = (service.http.host, service.http.port)
        self._query = query

    async def ask(self, text: bytes) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, self._address)
        await loop.sock_sendall(
            self.socket,
            b"GET /ws/simple-voice-chat?connection_id=deaf&language=en&%s HTTP/1.1\r\nHost: localhost\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n" % self._query.encode(),
        )
        frame = b'{"type":"text_message","text":"%s"}' % text
        mask = bytes(4)
        await loop.sock_sendall(self.socket, b"\x81" + bytes([0x80 | len(frame)]) + mask + frame)


async def test_a_client_that_stops_reading_loses_its_connection_and_holds_nothing(daemon: Start) -> None:
    fakes = TroubledEngines()
    fakes.speaker.chunks = 2000  # 200 s, far more than the buffers between here and there take
    service = await daemon(fakes, limits_send_timeout_seconds=0.2)
    app = service.http.app
    assert app is not None
    client = DeafClient(service, "response_mode=stream&audio_format=pcm16")
    await client.ask(b"tell me a story")
    await until_true(lambda: len(app[REGISTRY]))
    (connection,) = app[REGISTRY]
    await until_true(lambda: connection.closed)
    assert connection._outgoing._closing == (1008, "slow client")
    await emptied(service)
    server: Any = service.http.server
    client.socket.close()
    await until_true(lambda: not server.runner.server.connections)
    fakes.speaker.chunks = 2
    await converse_anew(service)


@pytest.mark.parametrize("stage", STAGES)
async def test_a_drain_lets_the_turn_end(daemon: Start, stage: str) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes)
    trouble = fakes.trouble(stage)
    line = await open_line(service)
    await line.say(wav())
    await trouble.reached.wait()
    draining = start_drain(service)
    received = await until(line, GoingAway)
    trouble.go.set()
    received += await until(line, VoiceResponse)
    assert_lawful(received)
    assert (await line.closed())[0] == 1001
    await draining
    await emptied(service)


@pytest.mark.parametrize("manner", get_args(Manner))
@pytest.mark.parametrize("stage", STAGES)
async def test_a_drain_ends_the_turn_that_hangs(daemon: Start, stage: str, manner: Manner) -> None:
    fakes = TroubledEngines()
    service = await daemon(fakes, limits_drain_seconds=0.05)
    trouble = fakes.trouble(stage, manner)
    line = await open_line(service)
    await line.say(wav())
    await trouble.reached.wait()
    draining = start_drain(service)
    await trouble.cancelled.wait()
    trouble.let_go.set()
    await until(line, GoingAway)
    assert (await line.closed())[0] == 1001
    await draining
    await emptied(service)


def start_drain(service: Daemon) -> asyncio.Task[None]:
    app: Any = service.http.app
    return asyncio.create_task(drain(app))


async def test_a_drain_while_somebody_speaks_waits_for_the_end_and_the_answer(daemon: Start) -> None:
    service = await daemon(TroubledEngines())
    line = await open_line(service, turn_detection="server_vad")
    await line.say(PCM)
    await line.say(speech(960))
    received = await until(line, SpeechStart)
    draining = start_drain(service)
    received += await until(line, GoingAway)
    await line.say(speech(320) + silence(3000))
    received += await until(line, VoiceResponse)
    assert_lawful(received)
    assert (await line.closed())[0] == 1001
    await draining
    await emptied(service)


async def test_a_drain_while_somebody_speaks_for_ever(daemon: Start) -> None:
    service = await daemon(TroubledEngines(), limits_drain_seconds=0.05)
    line = await open_line(service, turn_detection="server_vad")
    await line.say(PCM)
    await line.say(speech(960))
    await until(line, SpeechStart)
    await start_drain(service)
    assert (await line.closed())[0] == 1001
    await emptied(service)
