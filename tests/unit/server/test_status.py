import json
from pathlib import Path

import pytest

from simplevoice.protocol import TextMessage, VoiceResponse
from simplevoice.server.drain import drain
from simplevoice.server.keys import LIFECYCLE
from tests.unit.server.conftest import KITCHEN, Start

STATUS_KEYS = {
    "service",
    "status",
    "version",
    "uptime_seconds",
    "active_connections",
    "connections",
    "service_health",
    "performance",
    "audio_formats",
}
CONNECTION_KEYS = {
    "connection_id",
    "session_id",
    "language",
    "voice_type",
    "connected_at",
    "duration_seconds",
    "message_count",
    "state",
    "turn_detection",
    "last_response_time_ms",
    "client",
    "address",
}


async def test_the_status_during_and_after_a_conversation(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.gate.shut()
    line = await service.connect(connection_id="me", language="ar")
    await line.next()
    await line.say(TextMessage(text="hello"))
    await service.fakes.model.gate.reached.wait()
    during = await service.status()
    assert set(during) == STATUS_KEYS
    assert (during["service"], during["status"], during["active_connections"]) == ("simple_voice_chat", "available", 1)
    (connection,) = during["connections"]
    assert set(connection) == CONNECTION_KEYS
    assert (connection["connection_id"], connection["language"], connection["state"]) == ("me", "ar", "thinking")
    service.fakes.model.gate.opened.set()
    await line.next()
    answer = await line.next()
    assert isinstance(answer, VoiceResponse)
    after = await service.status()
    assert after["connections"][0]["message_count"] == 1
    assert after["connections"][0]["last_response_time_ms"] == answer.response_time_ms
    assert after["performance"]["turns"] == 1
    assert after["performance"]["response_time_ms"] == {"p50": answer.response_time_ms, "p95": answer.response_time_ms}
    assert after["performance"]["supported_languages"] == ["ar", "en"]
    assert after["audio_formats"]["output"] == ["mp3", "wav", "pcm16", "opus"]


async def test_the_health_of_each_engine(daemon: Start) -> None:
    service = await daemon()
    health = (await service.status())["service_health"]
    assert health["stt"] == {"engine": "fake", "state": "ready"}
    assert health["tts"] == {"engine": "fake", "active": "fake", "breaker": "closed", "state": "ready"}
    service.fakes.speaker.state = "degraded"
    assert (await service.status())["status"] == "degraded"
    async with service.http.get("/readyz") as response:
        assert response.status == 200


async def test_starting_is_alive_but_not_ready(daemon: Start) -> None:
    service = await daemon(loaded=False)
    assert (await service.status())["status"] == "starting"
    for path, code, text in (("/healthz", 200, "ok\n"), ("/readyz", 503, "starting\n")):
        async with service.http.get(path) as response:
            assert (response.status, await response.text()) == (code, text)


async def test_not_ready_says_what_is_broken(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.state = "failed"
    async with service.http.get("/readyz") as response:
        assert (response.status, await response.text()) == (503, "not ready: llm\n")
    assert (await service.status())["status"] == "degraded"


async def test_draining_is_not_ready(daemon: Start) -> None:
    service = await daemon()
    app = service.app
    await drain(app)
    assert app[LIFECYCLE].phase == "draining"
    assert (await service.status())["status"] == "draining"
    async with service.http.get("/readyz") as response:
        assert response.status == 503


async def test_only_a_token_shows_who_is_connected(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    headers = {"Authorization": f"Bearer {KITCHEN}"}
    line = await service.connect(headers=headers)
    await line.next()
    anonymous = await service.status()
    assert anonymous["active_connections"] == 1
    assert anonymous["connections"] == []
    async with service.http.get("/ws/simple-voice-chat/status", headers=headers) as response:
        (connection,) = (await response.json())["connections"]
    assert connection["client"] == "kitchen"
    assert connection["address"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/ws/simple-voice-chat/schema"])
async def test_the_schema_is_served(daemon: Start, path: str) -> None:
    service = await daemon()
    async with service.http.get(path) as response:
        assert response.content_type == "application/json"
        assert "voice_response" in json.dumps(await response.json())
