"""A real server that speaks the API, on the loopback, and everything that can go wrong with it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.errors import EngineError, TranscriptionError
from simplevoice.stt.openai import OpenAITranscriber
from tests.fakes.faulty import Fault
from tests.fakes.recognition_server import Answer, RecognitionServer
from tests.media import tone

KEY = "sk-not-to-be-told-0123456789"
AUDIO = tone(700)


def status(code: int, body: object) -> Answer:
    async def answer(asked: dict[str, Any]) -> web.Response:
        return web.Response(status=code, text=json.dumps(body), content_type="application/json")

    return answer


@pytest.fixture
async def server() -> AsyncIterator[RecognitionServer]:
    async with RecognitionServer() as server:
        yield server


@pytest.fixture
async def engine(server: RecognitionServer) -> AsyncIterator[OpenAITranscriber]:
    engine = make(server.url)
    await engine.load()
    yield engine
    await engine.close()


def make(url: str | None, timeout: float = 10.0, key: str | None = KEY) -> OpenAITranscriber:
    config = SttConfig(engine="openai", model="whisper-1", base_url=url, api_key=key, timeout_seconds=timeout)
    return OpenAITranscriber(config, ModelsConfig())


async def test_the_request_says_what_the_server_needs(engine: OpenAITranscriber, server: RecognitionServer) -> None:
    await engine.transcribe(AUDIO, "ar")
    [asked] = server.requests
    assert asked == {
        "model": "whisper-1",
        "language": "ar",
        "temperature": "0.0",
        "response_format": "verbose_json",
        "rate": 16_000,
        "channels": 1,
        "seconds": 0.7,
        "authorization": f"Bearer {KEY}",
    }


async def test_a_verbose_answer_tells_the_doubt(engine: OpenAITranscriber) -> None:
    transcript = await engine.transcribe(AUDIO, "en")
    assert transcript.text == "What time is it?"
    assert transcript.language == "en"
    assert transcript.no_speech_probability == 0.1
    assert transcript.average_log_probability == pytest.approx((-0.2 * 3 - 1.0) / 4)


@pytest.mark.parametrize("code", [400, 422])
async def test_a_server_without_verbose_answers_is_asked_once(
    engine: OpenAITranscriber, server: RecognitionServer, code: int
) -> None:
    async def plain_only(asked: dict[str, Any]) -> web.Response:
        if asked["response_format"] != "json":
            return web.json_response({"error": {"message": "unsupported"}}, status=code)
        return web.json_response({"text": "Hello."})

    server.answer = plain_only
    for _ in range(2):
        transcript = await engine.transcribe(AUDIO, "en")
        assert transcript.text == "Hello."
        assert transcript.no_speech_probability is None
        assert transcript.average_log_probability is None
    assert [r["response_format"] for r in server.requests] == ["verbose_json", "json", "json"]


async def test_segments_that_tell_nothing_are_no_doubt(engine: OpenAITranscriber, server: RecognitionServer) -> None:
    server.answer = status(200, {"text": "Hello.", "segments": [{"id": 0, "text": "Hello."}]})
    transcript = await engine.transcribe(AUDIO, "en")
    assert transcript.average_log_probability is None


async def test_connections_are_kept_until_released_and_made_anew(
    engine: OpenAITranscriber, server: RecognitionServer
) -> None:
    for _ in range(2):
        await engine.transcribe(AUDIO, "en")
    assert len(set(server.connections)) == 1
    await engine.release()
    await engine.release()
    assert engine.health().state == "ready"
    await engine.transcribe(AUDIO, "en")
    assert len(set(server.connections)) == 2


@pytest.mark.parametrize(
    ("code", "body", "problem"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, r"answered 401, check stt\.api_key"),
        (403, {"error": {"message": f"{KEY} may not"}}, r"answered 403, check stt\.api_key"),
        (
            404,
            {"error": {"message": f"no model whisper-1 for {KEY}"}},
            r"answered 404, check stt\.base_url and stt\.model",
        ),
        (200, {"result": "no text"}, "can't be understood"),
        (200, "no object", "can't be understood"),
    ],
)
async def test_a_refusal_is_told_without_the_key(
    engine: OpenAITranscriber, server: RecognitionServer, code: int, body: object, problem: str
) -> None:
    server.answer = status(code, body)
    with pytest.raises(TranscriptionError, match=problem) as caught:
        await engine.transcribe(AUDIO, "en")
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    health = engine.health()
    assert health.state == "degraded"
    assert health.detail == str(caught.value)

    server.answer = None
    await engine.transcribe(AUDIO, "en")
    assert engine.health().state == "ready"
    assert engine.health().detail is None


@pytest.mark.parametrize(
    ("fault", "problem", "retry_in"),
    [
        (Fault.REFUSES, "can't be reached", 0.2),
        (Fault.CLOSES, "can't be reached, or broke off", 0.2),
        (Fault.UNAUTHORIZED, "answered 401", None),
        (Fault.NOT_FOUND, "answered 404", None),
        (Fault.BUSY, "answered 429", 7),
        (Fault.FAILS, "answered 500", 7),
        (Fault.UNAVAILABLE, "answered 503", 7),
        (Fault.HANGS, "in time", None),
        (Fault.STALLS, "in time", None),
        (Fault.SLOW, "in time", None),
        (Fault.BREAKS_OFF, "broke off", 0.2),
        (Fault.ENDS_EARLY, "can't be understood", None),
        (Fault.NOT_JSON, "can't be understood", None),
        (Fault.NOT_UTF8, "can't be understood", None),
        (Fault.WRONG_SHAPE, "can't be understood", None),
        (Fault.HTML, "can't be understood", None),
        (Fault.EMPTY, "can't be understood", None),
        (Fault.ENDLESS_LINE, "can't be understood", None),
        (Fault.ENDLESS_REPLY, "can't be understood", None),
    ],
)
async def test_every_fault_is_one_failure_that_says_whether_to_try_again(
    server: RecognitionServer, fault: Fault, problem: str, retry_in: float | None
) -> None:
    server.retry_after = 7
    waits = fault in (Fault.HANGS, Fault.STALLS, Fault.SLOW)
    engine = make(server.url, timeout=1.0 if waits else 20.0)
    await engine.load()
    await server.switch(fault)
    with pytest.raises(TranscriptionError, match=problem) as caught:
        await engine.transcribe(AUDIO, "en")
    assert caught.value.retry_in == retry_in
    assert len(server.requests) == (fault is not Fault.REFUSES)
    await server.switch(Fault.NONE)
    assert (await engine.transcribe(AUDIO, "en")).text == "What time is it?", "as soon as the server works"
    await engine.close()


async def test_a_text_that_nobody_could_say_is_no_transcription(
    engine: OpenAITranscriber, server: RecognitionServer
) -> None:
    server.heard = "word " * 5000
    with pytest.raises(TranscriptionError, match="can't be understood"):
        await engine.transcribe(AUDIO, "en")


async def test_nobody_there() -> None:
    engine = make(f"http://user:password@127.0.0.1:{unused_port()}/v1")
    await engine.load()
    with pytest.raises(TranscriptionError, match=r"127\.0\.0\.1:\d+ can't be reached") as caught:
        await engine.transcribe(AUDIO, "en")
    assert "password" not in str(caught.value)
    await engine.close()


async def test_a_server_that_stalls_meets_the_deadline(server: RecognitionServer) -> None:
    async def stall(asked: dict[str, Any]) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = stall
    engine = make(server.url, timeout=0.3)
    await engine.load()
    with pytest.raises(TranscriptionError, match="in time"):
        await engine.transcribe(AUDIO, "en")
    await engine.close()


async def test_cancelling_ends_the_request(engine: OpenAITranscriber, server: RecognitionServer) -> None:
    asked_for, gone = asyncio.Event(), asyncio.Event()

    async def until_gone(asked: dict[str, Any]) -> web.StreamResponse:
        asked_for.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    server.answer = until_gone
    task = asyncio.create_task(engine.transcribe(AUDIO, "en"))
    await asked_for.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone.wait()
    assert engine.health().state == "ready"


async def test_without_a_server_and_a_key_it_does_not_load() -> None:
    engine = make(None, key=None)
    with pytest.raises(EngineError, match="base URL"):
        await engine.load()
    with pytest.raises(TranscriptionError, match="not loaded"):
        await engine.transcribe(AUDIO, "en")


async def test_a_server_that_wants_no_key_is_sent_none_of_the_environment(
    server: RecognitionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    engine = make(server.url, key=None)
    await engine.load()
    await engine.transcribe(AUDIO, "en")
    assert server.requests[0]["authorization"] == "Bearer none"
    await engine.close()


async def test_health_names_the_server_without_its_password() -> None:
    health = make("https://user:password@speech.example:8443/v1").health()
    assert (health.engine, health.model, health.device, health.state) == (
        "openai",
        "whisper-1",
        "speech.example:8443",
        "stopped",
    )
