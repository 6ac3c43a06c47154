"""What a sysadmin sees of a running daemon, during conversations and behind them."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from simplevoice import __version__
from simplevoice.protocol import AudioChunk, Interrupt, Interrupted, TextMessage, Transcription, VoiceResponse
from simplevoice.types import AUDIO_FORMATS, INPUT_FORMATS
from tests.integration.daemon import Daemon
from tests.media import DATA

pytestmark = [pytest.mark.models, pytest.mark.timeout(90)]

KEYS = {
    *("service", "status", "version", "uptime_seconds", "active_connections", "connections"),
    *("service_health", "performance", "audio_formats"),
}
CONNECTION_KEYS = {
    *("connection_id", "session_id", "language", "voice_type", "connected_at", "duration_seconds", "message_count"),
    *("state", "turn_detection", "last_response_time_ms", "client", "address"),
}


async def test_the_status_has_what_the_protocol_says(daemon: Daemon) -> None:
    status = await daemon.status()
    assert set(status) == KEYS
    assert (status["service"], status["status"], status["version"]) == ("simple_voice_chat", "available", __version__)
    assert status["uptime_seconds"] > 0
    assert status["audio_formats"] == {"input": list(INPUT_FORMATS), "output": list(AUDIO_FORMATS)}
    performance = status["performance"]
    assert performance["target_response_time"] == "< 2 seconds"
    assert set(performance["supported_languages"]) == {"ar", "en"}
    assert set(performance["voice_types"]) == {"male", "female"}
    health = status["service_health"]
    assert {room: (engine["engine"], engine["state"]) for room, engine in health.items()} == {
        "stt": ("whisper", "ready"),
        "llm": ("llama", "ready"),
        "tts": ("espeak", "ready"),
    }
    assert (health["stt"]["model"], health["llm"]["model"]) == ("base", "smollm2-135m")
    assert health["stt"]["device"].split()[0] in ("cpu", "cuda")
    assert (health["tts"]["active"], health["tts"]["breaker"]) == ("espeak", "closed")


async def test_the_status_follows_a_conversation(daemon: Daemon) -> None:
    turns = (await daemon.status())["performance"]["turns"]
    query = {"connection_id": "watched", "session_id": "s", "voice_type": "male", "response_mode": "stream"}
    async with daemon.connect(**query) as client:
        before = await _watched(daemon)
        assert before["connected_at"] > 1_700_000_000
        assert before["duration_seconds"] >= 0
        known = {"session_id": "s", "language": "en", "voice_type": "male", "turn_detection": "none"}
        idle = {**known, "state": "idle", "message_count": 0, "last_response_time_ms": None}
        assert {name: before[name] for name in idle} == idle

        await client.say(TextMessage(text="Tell me a very long story about a dragon, with all its adventures."))
        first = await client.next(AudioChunk)
        assert (await _watched(daemon))["state"] == "speaking"
        await client.say(Interrupt(turn_id=first.turn_id))
        await client.next(Interrupted)

        answer = await client.ask((DATA / "en-LJ042-0094.wav").read_bytes(), VoiceResponse)
        after = await _watched(daemon)
        assert after["message_count"] == 1
        assert after["last_response_time_ms"] == answer.response_time_ms == answer.timings.total
        performance = (await daemon.status())["performance"]
        assert performance["turns"] == turns + 1
        assert 0 < performance["response_time_ms"]["p50"] <= performance["response_time_ms"]["p95"]
        assert 0 < performance["first_audio_ms"]["p50"] <= performance["first_audio_ms"]["p95"]


async def test_behind_the_last_connection_nothing_is_left(daemon: Daemon) -> None:
    async with daemon.connect(connection_id="leaves", response_mode="stream") as client:
        released = len(daemon.logged("engines_released"))
        await client.say((DATA / "en-LJ042-0094.wav").read_bytes())
        await client.next(Transcription)
    gone = await asyncio.to_thread(daemon.wait_for, "disconnected", connection_id="leaves")
    assert (gone["session_id"], gone["turns"]) == ("simple_leaves", 0)
    await asyncio.to_thread(daemon.wait_for, "engines_released", released + 1)
    status = await daemon.status()
    assert (status["active_connections"], status["connections"]) == (0, [])
    assert [engine["state"] for engine in status["service_health"].values()] == ["ready"] * 3


async def test_a_turn_is_one_line_of_the_log_without_what_was_said(daemon: Daemon) -> None:
    async with daemon.connect(connection_id="logged") as client:
        answer = await client.ask((DATA / "en-LJ011-0202.wav").read_bytes(), VoiceResponse)
    await asyncio.to_thread(daemon.wait_for, "disconnected", connection_id="logged")
    [line] = daemon.logged("turn", turn_id=answer.turn_id)
    assert (line["session_id"], line["outcome"], line["language"]) == ("simple_logged", "answered", "en")
    stages = [line[stage] for stage in ("decode", "transcribe", "first_text", "first_audio", "total")]
    assert stages == sorted(stages)
    assert (line["utterance"], line["stt"], line["llm"], line["tts"]) == ("recording", "whisper", "llama", "espeak")
    assert line["audio_ms"] > 1000
    counted = {"language": "en", "outcome": "answered", "reason": ""}
    assert await _sample(daemon, "simplevoice_turns_total", counted) >= 1
    heard = {"stage": "transcribe", "language": "en", "engine": "whisper"}
    assert await _sample(daemon, "simplevoice_turn_stage_seconds_count", heard) >= 1
    assert await _sample(daemon, "simplevoice_ready", {}) == 1
    whole_log = json.dumps(daemon.log, ensure_ascii=False).lower()
    assert "uncle claimed" not in whole_log
    assert answer.response_text.lower() not in whole_log


async def _sample(daemon: Daemon, name: str, labels: dict[str, str]) -> float:
    """One figure of the daemon's metrics."""
    url = daemon.url.replace("ws://", "http://").removesuffix("/ws/simple-voice-chat") + "/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        families = text_string_to_metric_families(await response.text())
        [value] = [s.value for f in families for s in f.samples if s.name == name and s.labels == labels]
    return value


async def _watched(daemon: Daemon) -> dict[str, Any]:
    """What the status says of the one connection."""
    status = await daemon.status()
    [connection] = [c for c in status["connections"] if c["connection_id"] == "watched"]
    assert status["active_connections"] == len(status["connections"])
    assert set(connection) == CONNECTION_KEYS
    return dict(connection)
