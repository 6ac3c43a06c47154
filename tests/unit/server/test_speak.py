"""Texts that are spoken without a conversation, on a real server with fake engines."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from simplevoice.client import speak
from simplevoice.errors import ConnectionFailedError, ErrorCode, SpeechError
from simplevoice.protocol import MAX_TEXT_CHARACTERS, ErrorMessage, decode_server
from simplevoice.server import speak as module
from simplevoice.server.drain import drain
from simplevoice.server.keys import PLACES, SERVICE, SPEECHES
from simplevoice.speech.codec import decode
from simplevoice.tts import Voice
from tests.fakes.engines import FakeEngines
from tests.races.scene import Clock
from tests.unit.server.conftest import KITCHEN, Daemon, Start
from tests.unit.server.test_metrics import scrape

PATH = "/ws/simple-voice-chat/speak"


async def refusal(service: Daemon, body: Any, **options: Any) -> tuple[int, ErrorMessage, str | None]:
    """Be refused; gives the status, what was told and when to try again."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with service.http.post(PATH, data=data, **options) as response:
        assert response.content_type == "application/json"
        told = decode_server(await response.text())
        assert isinstance(told, ErrorMessage)
        return response.status, told, response.headers.get("Retry-After")


@pytest.mark.parametrize(
    ("audio_format", "content_type"),
    [
        ("mp3", "audio/mpeg"),
        ("wav", "audio/wav"),
        ("opus", "audio/ogg; codecs=opus"),
        ("pcm16", "application/octet-stream"),
    ],
)
async def test_a_text_is_spoken_as_asked(daemon: Start, audio_format: Any, content_type: str) -> None:
    service = await daemon()
    wanted = {"text": "Good morning.", "language": "en", "voice_type": "male", "voice": "en-us+m3", "rate": "-10%"}
    async with service.http.post(PATH, json={**wanted, "audio_format": audio_format}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == content_type
        assert response.headers["Cache-Control"] == "no-store"
        sound = await response.read()
    if audio_format == "pcm16":
        assert sound == service.fakes.speaker.chunk * 2
    else:
        assert len(decode(sound, max_seconds=1)) == pytest.approx(200, abs=80)
    assert service.fakes.speaker.received == [("Good morning.", Voice("en", "male", "en-us+m3", "-10%"))]
    assert len(service.app[SPEECHES]) == len(service.app[PLACES]) == 0


async def test_what_is_left_out_is_the_operators_choice(daemon: Start) -> None:
    service = await daemon(
        conversation_language="en",
        conversation_voice_type="male",
        conversation_audio_format="opus",
        server_path_prefixes=("/api/v1",),
    )
    async with service.http.post(f"/api/v1{PATH}", data=b'{"text": "hello", "unknown": 1}') as response:
        assert response.content_type == "audio/ogg"
        await response.read()
    assert service.fakes.speaker.received == [("hello", Voice("en", "male"))]


@pytest.mark.parametrize(("voice", "language"), [("en-us+m3", "en"), ("ar+f3", "ar"), ("nobody", "ar")])
async def test_a_voice_tells_the_language_where_nobody_does(daemon: Start, voice: str, language: str) -> None:
    service = await daemon()
    async with service.http.post(PATH, json={"text": "Good morning.", "voice": voice}) as response:
        assert response.status == 200
    [(_, asked)] = service.fakes.speaker.received
    assert (asked.language, asked.name) == (language, voice)


async def test_sound_is_sent_while_it_is_made(daemon: Start) -> None:
    fakes, rest = FakeEngines(), asyncio.Event()
    fakes.speaker.steps = (bytes(4800), rest, bytes(4800))
    service = await daemon(fakes)
    async with service.http.post(PATH, json={"text": "hello", "audio_format": "pcm16"}) as response:
        assert await response.content.readexactly(4800) == bytes(4800)
        rest.set()
        assert await response.read() == bytes(4800)


async def test_the_client_gets_it(daemon: Start) -> None:
    service = await daemon()
    url = str(service.http.make_url("/"))
    assert await speak("hello", url, language="en", audio_format="pcm16") == service.fakes.speaker.chunk * 2
    with pytest.raises(ConnectionFailedError, match=r"^INVALID_MESSAGE: .*text"):
        await speak("...", url)


# What is wrong with a request


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "..."}, "text"),
        ({"text": "a" * (MAX_TEXT_CHARACTERS + 1)}, "text"),
        ({"text": "a" * module.MAX_BODY_BYTES}, "text"),
        ({"text": "hello", "language": "fr"}, "language"),
        ({"text": "hello", "voice": "../../etc"}, "voice"),
        ({"text": "hello", "rate": "fast"}, "rate"),
        ({"text": "hello", "audio_format": "flac"}, "audio_format"),
    ],
)
async def test_what_is_wrong_is_named(daemon: Start, body: Any, field: str) -> None:
    service = await daemon()
    status, told, _ = await refusal(service, body)
    assert (status, told.error_code, told.retry_suggested) == (400, ErrorCode.INVALID_MESSAGE, False)
    assert isinstance(told.details, dict)
    assert told.details["field"] == field
    assert field in told.message
    assert service.fakes.speaker.received == []


@pytest.mark.parametrize("body", [b"", b"hello", b"{", b'{"text": "\xff"}', b'{"text": "\\ud800"}', b"[" * 10_000])
async def test_no_json(daemon: Start, body: bytes) -> None:
    status, told, _ = await refusal(await daemon(), body)
    assert (status, told.error_code) in [(400, ErrorCode.INVALID_JSON), (400, ErrorCode.INVALID_MESSAGE)]


async def test_the_longest_text_fits_in_any_spelling(daemon: Start) -> None:
    service = await daemon()
    text = "😀" * (MAX_TEXT_CHARACTERS - 1) + "a"
    async with service.http.post(PATH, data=json.dumps({"text": text}).encode()) as response:
        assert response.status == 200
        await response.read()


async def test_an_error_is_told_in_the_language_that_is_asked_for(daemon: Start) -> None:
    service = await daemon()
    service.fakes.speaker.fails_on = "hello"
    for language, words in (("en", "could not be spoken"), ("ar", "تعذر نطق")):
        status, told, _ = await refusal(service, {"text": "hello", "language": language})
        assert (status, told.error_code, told.retry_suggested) == (500, ErrorCode.SPEECH_FAILED, True)
        assert words in told.message
        assert "told to fail" not in told.message


async def test_a_body_that_does_not_come_is_given_up(daemon: Start) -> None:
    service = await daemon(limits_handshake_seconds=0.05)
    reader, writer = await asyncio.open_connection(service.http.host, service.http.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()
    assert len(service.app[PLACES]) == 0


# Who may


async def test_the_door_is_that_of_conversations(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file), limits_connections_per_token=1)
    bearer = {"Authorization": f"Bearer {KITCHEN}"}
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong-0123456789"}, 401),
        ({**bearer, "Origin": "https://evil.example"}, 403),
        (bearer, 200),
    ):
        async with service.http.post(PATH, json={"text": "hello"}, headers=headers) as response:
            assert response.status == status
            await response.read()
    talking = await service.connect(headers=bearer)
    await talking.next()
    async with service.http.post(PATH, json={"text": "hello"}, headers=bearer) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "5")


async def test_another_name_is_answered_by_nobody(daemon: Start) -> None:
    service = await daemon()
    async with service.http.post(PATH, json={"text": "hello"}, headers={"Host": "evil.example"}) as response:
        assert response.status == 421


async def test_before_and_behind_the_work_there_is_none(daemon: Start) -> None:
    for service, phase in ((await daemon(loaded=False), "starting"), (await daemon(), "draining")):
        if phase == "draining":
            await drain(service.app)
        async with service.http.post(PATH, json={"text": "hello"}) as response:
            assert (response.status, await response.text()) == (503, f"{phase}\n")


# How much


async def test_too_many_in_a_minute_are_refused(daemon: Start) -> None:
    service = await daemon(limits_turns_per_minute=1)
    async with service.http.post(PATH, json={"text": "hello"}) as response:
        assert response.status == 200
        await response.read()
    status, told, retry_after = await refusal(service, {"text": "hello", "language": "en"})
    assert (status, told.error_code) == (429, ErrorCode.RATE_LIMITED)
    assert "slow down" in told.message
    assert isinstance(told.details, dict)
    assert retry_after is not None
    assert int(retry_after) * 1000 >= told.details["retry_after_ms"]


async def test_turns_and_speeches_share_their_places(daemon: Start) -> None:
    service = await daemon()
    turnstile = service.app[SERVICE].turnstile
    turnstile.resize(1, 0.0)
    turn = turnstile.ask()
    status, told, retry_after = await refusal(service, {"text": "hello", "language": "en"})
    assert (status, told.error_code) == (503, ErrorCode.SERVER_BUSY)
    assert retry_after == "1"
    turn.leave()
    async with service.http.post(PATH, json={"text": "hello"}) as response:
        assert response.status == 200
        await response.read()


async def test_speech_that_does_not_come_is_504(daemon: Start) -> None:
    fakes = FakeEngines()
    fakes.speaker.steps = (asyncio.Event(),)
    service = await daemon(fakes, limits_turn_timeout_seconds=0.05)
    status, told, _ = await refusal(service, {"text": "hello"})
    assert (status, told.error_code) == (504, ErrorCode.TURN_TIMEOUT)


# When it breaks off


async def test_a_failure_behind_the_first_sound_leaves_the_answer_without_an_end(daemon: Start) -> None:
    fakes = FakeEngines()
    fakes.speaker.steps = (bytes(4800), SpeechError("no more"))
    service = await daemon(fakes)
    async with service.http.post(PATH, json={"text": "hello", "audio_format": "pcm16"}) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_a_failure_in_the_middle_of_a_wav_is_told(daemon: Start) -> None:
    fakes = FakeEngines()
    fakes.speaker.steps = (bytes(4800), SpeechError("no more"))
    status, told, _ = await refusal(await daemon(fakes), {"text": "hello", "audio_format": "wav"})
    assert (status, told.error_code) == (500, ErrorCode.SPEECH_FAILED)


async def test_who_hangs_up_stops_the_work(daemon: Start) -> None:
    fakes, rest = FakeEngines(), asyncio.Event()
    fakes.speaker.steps = (bytes(4800), rest, *[bytes(4800)] * 1000)
    service = await daemon(fakes)
    with capture_logs() as lines:
        async with service.http.post(PATH, json={"text": "hello", "audio_format": "pcm16"}) as response:
            await response.content.readexactly(4800)
            response.close()
        rest.set()
        await service.app[SPEECHES].finish()
    [line] = [line for line in lines if line["event"] == "speech"]
    assert (line["outcome"], line["reason"]) == ("interrupted", "disconnected")
    assert fakes.running == 0


async def test_a_client_that_takes_nothing_is_left(daemon: Start) -> None:
    fakes = FakeEngines()
    fakes.speaker.steps = [bytes(2**20)] * 64
    service = await daemon(fakes, limits_send_timeout_seconds=0.1)
    async with service.http.post(PATH, json={"text": "hello", "audio_format": "pcm16"}) as response:
        await service.app[SPEECHES].finish()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert fakes.running == 0


# For those who watch


async def test_a_client_that_takes_a_speech_more_slowly_than_it_sounds_is_left(
    daemon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    write = aiohttp.web.StreamResponse.write

    async def write_slowly(response: aiohttp.web.StreamResponse, data: bytes) -> None:
        await write(response, data)
        clock.now += 0.4

    monkeypatch.setattr(aiohttp.web.StreamResponse, "write", write_slowly)
    fakes = FakeEngines()
    fakes.speaker.chunks = 100
    service = await daemon(fakes, limits_send_timeout_seconds=0.5)
    with capture_logs() as logs, pytest.raises(aiohttp.ClientPayloadError):
        async with service.http.post(PATH, json={"text": "Good morning.", "audio_format": "pcm16"}) as response:
            await response.read()
    assert "more slowly than it sounds" in next(line["error"] for line in logs if line["event"] == "speech_broken_off")


async def test_a_drain_lets_it_end(daemon: Start) -> None:
    fakes, rest = FakeEngines(), asyncio.Event()
    fakes.speaker.steps = (bytes(4800), rest, bytes(4800))
    service = await daemon(fakes)
    async with service.http.post(PATH, json={"text": "hello", "audio_format": "pcm16"}) as response:
        await response.content.readexactly(4800)
        draining = asyncio.create_task(drain(service.app))
        rest.set()
        assert await response.read() == bytes(4800)
    await draining


async def test_it_is_counted_apart_from_turns(daemon: Start) -> None:
    service = await daemon()
    async with service.http.post(PATH, json={"text": "hello", "language": "en"}) as response:
        await response.read()
    await refusal(service, b"{")
    seen = await scrape(service)
    assert seen("simplevoice_speeches_total", language="en", outcome="answered", reason="") == 1
    assert seen("simplevoice_speeches_total", language="ar", outcome="failed", reason="SPEECH_FAILED") == 0
    for stage, engine in (("begun", ""), ("first_audio", "fake"), ("total", "fake")):
        assert seen("simplevoice_speech_stage_seconds_count", stage=stage, language="en", engine=engine) == 1
    assert seen("simplevoice_spoken_audio_seconds_total", language="en", engine="fake") > 0
    assert seen("simplevoice_turns_total") == 0
    assert seen("simplevoice_refused_requests_total", status="400") == 1
    assert (await service.status())["performance"]["turns"] == 0


async def test_the_log_says_who_asked_but_not_for_what(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    with capture_logs() as lines:
        body = {"text": "a secret of mine"}
        async with service.http.post(PATH, json=body, headers={"Authorization": f"Bearer {KITCHEN}"}) as response:
            await response.read()
    asked, told = (line for line in lines if line["event"] in ("speaking", "speech"))
    assert (asked["client"], asked["address"]) == ("kitchen", "127.0.0.1")
    assert asked["turn_id"] == told["turn_id"]
    assert "secret" not in str(lines)
