from typing import Any

import pytest

from simplevoice.engines.engine import EngineHealth
from simplevoice.protocol import TextMessage
from simplevoice.server.app import start_service
from simplevoice.server.keys import SERVICE
from tests.unit.server.conftest import Start
from tests.unit.server.test_metrics import scrape


async def test_where_the_daemon_stands(daemon: Start) -> None:
    service = await daemon(loaded=False)
    seen = await scrape(service)
    assert seen("simplevoice_ready") == 0
    assert seen("simplevoice_phase", phase="starting") == 1
    await start_service(service.app)
    seen = await scrape(service)
    assert seen("simplevoice_ready") == 1
    assert [seen("simplevoice_phase", phase=p) for p in ("starting", "running", "draining")] == [0, 1, 0]
    assert seen("simplevoice_engine_load_seconds", role="stt") >= 0
    service.fakes.model.state = "failed"
    assert (await scrape(service))("simplevoice_ready") == 0


async def test_who_is_connected_and_what_waits(daemon: Start) -> None:
    service = await daemon(limits_max_connections=7)
    service.fakes.model.gate.shut()
    line, _ = await service.connect(connection_id="a"), await service.connect(connection_id="b")
    for _ in range(3):
        await line.say(TextMessage(text="hello"))
    await service.fakes.model.gate.reached.wait()
    await line.say('{"type": "ping"}')  # what was said before it has arrived when it is answered
    while (await line.next()).__struct_config__.tag != "pong":
        pass
    seen = await scrape(service)
    assert seen("simplevoice_connections", state="thinking") == 1
    assert seen("simplevoice_connections") == 2
    assert seen("simplevoice_connections_limit") == 7
    assert seen("simplevoice_utterances_waiting") == 2
    assert seen("simplevoice_outgoing_queue_messages") == 0
    assert seen("simplevoice_outgoing_queue_bytes") == seen("simplevoice_outgoing_queue_fullest_bytes") == 0
    service.fakes.model.gate.opened.set()


async def test_how_the_engines_are(daemon: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await daemon()
    health: dict[str, Any] = {
        "transcriber": EngineHealth("whisper", "ready", "base", "cpu int8", waiting=3),
        "model": EngineHealth("openai", "degraded", breaker="open", fallbacks=(EngineHealth("llama", "ready"),)),
        "speaker": EngineHealth(engine="edge", state="degraded", active="espeak", breaker="open"),
    }
    for name, found in health.items():
        monkeypatch.setattr(getattr(service.fakes, name), "health", lambda found=found: found)
    seen = await scrape(service)
    info = {"role": "stt", "engine": "whisper", "model": "base", "device": "cpu int8"}
    assert seen("simplevoice_engine_info", **info) == 1
    assert seen("simplevoice_engine_state", role="llm", rank="0", state="degraded") == 1
    assert seen("simplevoice_engine_state", role="llm", rank="0") == 1
    assert seen("simplevoice_engine_info", role="llm", rank="1", engine="llama") == 1
    assert seen("simplevoice_engine_state", role="llm", rank="1", state="ready") == 1
    assert seen("simplevoice_breaker_state", role="llm", state="open") == 1
    assert seen("simplevoice_engine_waiting_requests", role="stt") == 3
    assert seen("simplevoice_breaker_state", role="tts", state="open") == 1
    assert seen("simplevoice_breaker_state", role="tts") == 1


async def test_turns_that_find_no_place(daemon: Start) -> None:
    service = await daemon()
    service.app[SERVICE].turnstile.resize(1, 10.0)
    service.fakes.model.gate.shut()
    for name in ("a", "b"):
        line = await service.connect(connection_id=name)
        await line.say(TextMessage(text="hello"))
        await line.say('{"type": "ping"}')
        while (await line.next()).__struct_config__.tag != "pong":
            pass
    seen = await scrape(service)
    assert seen("simplevoice_turns_limit") == 1
    assert seen("simplevoice_turns_in_progress") == 1
    assert seen("simplevoice_turns_waiting") == 1
    service.fakes.model.gate.opened.set()
