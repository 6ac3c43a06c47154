import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from structlog.testing import capture_logs

from simplevoice.errors import EngineError, ErrorCode
from simplevoice.protocol import (
    ConnectionEstablished,
    ErrorMessage,
    Interrupted,
    Ping,
    Pong,
    ProcessingStarted,
    TextMessage,
    VoiceResponse,
)
from simplevoice.server.keys import REGISTRY, SESSIONS
from simplevoice.server.socket import ClientSocket
from tests.unit.conversation.test_pipeline import wav
from tests.unit.server.conftest import Start


async def test_the_first_message_tells_what_is_in_force(daemon: Start) -> None:
    line = await (await daemon()).connect(connection_id="me", voice_type="male", audio_format="opus")
    hello = await line.next()
    assert isinstance(hello, ConnectionEstablished)
    assert hello.success
    assert (hello.connection_id, hello.session_id, hello.protocol_version) == ("me", "simple_me", 1)
    assert (hello.config.language, hello.config.voice_type, hello.config.audio_format) == ("en", "male", "opus")
    assert hello.config.turn_detection == "none"
    assert hello.config.limits.max_audio_bytes == 10 * 2**20


async def test_a_turn_over_a_real_socket(daemon: Start) -> None:
    line = await (await daemon()).connect()
    await line.next()
    await line.say(wav())
    assert isinstance(await line.next(), ProcessingStarted)
    answer = await line.next()
    assert isinstance(answer, VoiceResponse)
    assert answer.transcription == "what time is it"
    await line.socket.close()


@pytest.mark.parametrize(
    ("query", "code", "parameter"),
    [
        ({"language": "fr"}, ErrorCode.INVALID_PARAMETER, "language"),
        ({"connection_id": ""}, ErrorCode.INVALID_PARAMETER, "connection_id"),
        ({"connection_id": "a/b"}, ErrorCode.INVALID_PARAMETER, "connection_id"),
        ({"audio_format": "aac"}, ErrorCode.INVALID_PARAMETER, "audio_format"),
        ({"silence_ms": "5"}, ErrorCode.INVALID_PARAMETER, "silence_ms"),
    ],
)
async def test_a_bad_parameter_is_named_and_closes_1003(
    daemon: Start, query: dict[str, Any], code: ErrorCode, parameter: str
) -> None:
    line = await (await daemon()).connect(**query)
    told = await line.next()
    assert isinstance(told, ErrorMessage)
    assert told.error_code is code
    assert isinstance(told.details, dict)
    assert told.details["parameter"] == parameter
    assert told.details["allowed"]
    assert (await line.closed())[0] == 1003


async def test_a_missing_connection_id(daemon: Start) -> None:
    service = await daemon()
    async with service.http.ws_connect("/ws/simple-voice-chat") as socket:
        told = json.loads(await socket.receive_str(timeout=10))
        assert told["error_code"] == "MISSING_CONNECTION_ID"
        assert (await socket.receive(timeout=10)).data == 1003


async def test_the_server_names_connections_when_the_operator_wants_it(daemon: Start) -> None:
    service = await daemon(server_connection_ids="server")
    async with service.http.ws_connect("/ws/simple-voice-chat") as socket:
        hello = json.loads(await socket.receive_str(timeout=10))
        assert hello["connection_id"].startswith("conn_")
        assert hello["session_id"] == f"simple_{hello['connection_id']}"


async def test_every_path_is_served_under_the_prefix_too(daemon: Start) -> None:
    service = await daemon(server_path_prefixes=("/api/v1",))
    async with service.http.ws_connect("/api/v1/ws/simple-voice-chat?connection_id=x") as socket:
        assert json.loads(await socket.receive_str(timeout=10))["type"] == "connection_established"
    for path in ("/api/v1/healthz", "/healthz", "/api/v1/ws/simple-voice-chat/status"):
        async with service.http.get(path) as response:
            assert response.status == 200


async def test_the_same_session_takes_over_its_connection(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.gate.shut()
    old = await service.connect()
    await old.next()
    await old.say(TextMessage(text="hello"))
    await service.fakes.model.gate.reached.wait()
    new = await service.connect()
    assert isinstance(await new.next(), ConnectionEstablished)
    assert isinstance(await old.next(), ProcessingStarted)
    cut = await old.next()
    assert isinstance(cut, Interrupted)
    assert cut.reason == "replaced"
    assert await old.closed() == (1008, "replaced")
    service.fakes.model.gate.opened.set()
    await new.say(TextMessage(text="again"))
    assert isinstance(await new.next(), ProcessingStarted)
    assert isinstance(await new.next(), VoiceResponse)
    assert (await service.status())["active_connections"] == 1


async def test_another_session_may_not_take_over(daemon: Start) -> None:
    service = await daemon()
    old = await service.connect()
    await old.next()
    new = await service.connect(session_id="other")
    told = await new.next()
    assert isinstance(told, ErrorMessage)
    assert told.error_code is ErrorCode.CONNECTION_ID_IN_USE
    assert (await new.closed())[0] == 1008
    await old.say(Ping())
    assert isinstance(await old.next(), Pong)


async def test_a_reconnect_goes_on_where_it_was(daemon: Start) -> None:
    service = await daemon()
    first = await service.connect(session_id="s")
    await first.next()
    await first.say(TextMessage(text="my name is Omar"))
    await first.next()
    await first.next()
    await first.socket.close()
    second = await service.connect(connection_id="another", session_id="s")
    await second.next()
    await second.say(TextMessage(text="what is my name"))
    await second.next()
    await second.next()
    assert "my name is Omar" in [message.content for message in service.fakes.model.received[-1]]


async def test_a_conversation_is_left_with_its_connection(daemon: Start) -> None:
    service = await daemon(limits_sessions=1)
    for name in ("first", "second"):
        line = await service.connect(connection_id=name)
        await line.next()
        await line.socket.close()
        while service.app[REGISTRY].snapshot():
            await asyncio.sleep(0)
    assert len(service.app[SESSIONS]) == 1


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(daemon: Start) -> None:
    service = await daemon()
    service.fakes.speaker.gate.shut()
    line = await service.connect()
    await line.next()
    await line.say(wav())
    await service.fakes.speaker.gate.reached.wait()
    await line.socket.close()
    while (await service.status())["active_connections"]:
        await asyncio.sleep(0.01)
    assert service.fakes.running == 0


@pytest.mark.parametrize(
    "answer", ["aiohttp.http_writer.StreamWriter._write", "aiohttp.web.WebSocketResponse.send_frame"]
)
async def test_a_client_that_is_gone_before_the_answer_is_no_error(
    daemon: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    tried = []

    def gone(*_: object) -> None:
        tried.append(answer)
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    class GoneSocket(ClientSocket):
        async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
            monkeypatch.setattr(answer, gone)  # no sooner: the client here writes with the same
            return await super().prepare(request)

    monkeypatch.setattr("simplevoice.server.websocket.ClientSocket", GoneSocket)
    server = await daemon()
    with pytest.raises((aiohttp.ClientError, TypeError)):
        await (await server.connect(language="fr")).next()
    await server.http.close()
    assert tried
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_silent_client_is_closed(daemon: Start) -> None:
    line = await (await daemon(limits_idle_timeout_seconds=0.05)).connect()
    await line.next()
    assert await line.closed() == (1008, "idle timeout")


async def test_the_log_says_why_a_connection_ended(daemon: Start) -> None:
    service = await daemon(limits_idle_timeout_seconds=1.0)
    with capture_logs() as logs:
        for name in ("stays", "leaves"):
            line = await service.connect(connection_id=name)
            await line.next()
            if name == "leaves":
                await line.socket.close()
            else:
                await line.closed()
            while service.app[REGISTRY].snapshot():
                await asyncio.sleep(0.01)
    assert [entry["reason"] for entry in logs if entry["event"] == "disconnected"] == ["idle timeout", None]


async def test_a_flood_is_refused_and_then_closed(daemon: Start) -> None:
    line = await (await daemon(limits_messages_per_second=1.0)).connect()
    await line.next()
    for _ in range(60):
        await line.say(Ping())
    answers = [await line.next() for _ in range(4)]
    assert [type(answer) for answer in answers] == [Pong, Pong, ErrorMessage, ErrorMessage]
    assert await line.closed() == (1008, "rate limit")


async def test_a_message_over_the_bound_closes_1009(daemon: Start) -> None:
    line = await (await daemon(limits_max_audio_bytes=1024)).connect()
    await line.next()
    await line.say("x" * 100_000)
    assert (await line.closed())[0] == 1009


async def test_engines_that_cannot_come_back_are_told(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.state = "stopped"
    service.fakes.model.error = EngineError("secret")
    line = await service.connect()
    told = await line.next()
    assert isinstance(told, ErrorMessage)
    assert told.error_code is ErrorCode.INTERNAL_ERROR
    assert "secret" not in told.message
    assert (await line.closed())[0] == 1011
    assert (await service.status())["active_connections"] == 0
