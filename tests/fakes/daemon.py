"""A daemon for client commands: a real server that speaks the protocol and answers as it is told."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from simplevoice import protocol
from simplevoice.errors import ErrorCode

PATH = "/ws/simple-voice-chat"
TOKEN = "a-token-of-the-tests"

STATUS: dict[str, Any] = {
    "service": "simple_voice_chat",
    "status": "degraded",
    "version": "9.9.9",
    "uptime_seconds": 3725.0,
    "active_connections": 1,
    "connections": [
        {
            "connection_id": "kitchen",
            "session_id": "simple_kitchen",
            "language": "ar",
            "voice_type": "female",
            "connected_at": 1.0,
            "duration_seconds": 61.5,
            "message_count": 4,
            "state": "speaking",
            "turn_detection": "none",
            "last_response_time_ms": 812,
            "client": "hall",
            "address": "192.0.2.1",
        }
    ],
    "service_health": {
        "stt": {"engine": "whisper", "state": "ready", "model": "base", "device": "cpu"},
        "llm": {"engine": "llama", "state": "ready", "model": "qwen3-0.6b"},
        "tts": {"engine": "edge", "state": "degraded", "active": "espeak", "breaker": "open", "detail": "no network"},
    },
    "performance": {
        "target_response_time": "< 2 seconds",
        "turns": 12,
        "response_time_ms": {"p50": 812, "p95": 1900},
        "first_audio_ms": {"p50": 700, "p95": None},
        "supported_languages": ["ar", "en"],
        "voice_types": ["male", "female"],
    },
    "audio_formats": {"input": [], "output": []},
}

Reply = protocol.ServerMessage | bytes | int
"""A message to send, sound, or a code to close with."""

Answer = Callable[[protocol.AnyClientMessage | bytes], list[Reply]]


def voice_response(**changes: Any) -> protocol.VoiceResponse:
    """Make a good answer of a turn."""
    fields: dict[str, Any] = {
        "turn_id": "t1",
        "transcription": "The uncle claimed her.",
        "response_text": "Is that so?",
        "audio_format": "mp3",
        "sample_rate": 24_000,
        "duration_ms": 1500,
        "language": "en",
        "voice_type": "female",
        "response_time_ms": 812,
        "session_id": "s",
        "message_count": 1,
        "tts_engine": "espeak",
        "timings": protocol.Timings(total=812, decode=5, transcribe=210, first_text=330, first_audio=700),
        "audio_base64": b"sound",
    }
    return protocol.VoiceResponse(**(fields | changes))


def guidance() -> protocol.Guidance:
    """Make the answer to silence."""
    return protocol.Guidance(turn_id="t1", guidance="Please speak up.", transcription="", reason="no_speech")


def failure() -> protocol.ErrorMessage:
    """Make the answer to a broken recording."""
    return protocol.ErrorMessage(
        error_code=ErrorCode.AUDIO_DECODE_FAILED,
        message="The recording can't be read.",
        retry_suggested=False,
        details={"format": "wav"},
    )


class FakeDaemon:
    """Answers each utterance with ``answer``, and records the queries and messages that it got."""

    def __init__(self, answer: Answer = lambda _: [voice_response()], tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self._tls = tls
        self.status = STATUS
        self.token: str | None = None
        self.opening: list[Reply] | None = None
        self.queries: list[dict[str, str]] = []
        self.received: list[protocol.AnyClientMessage | bytes] = []
        self.url = ""
        self.scripts: list[protocol.SpeakRequest] = []
        self.speech: bytes | protocol.ServerMessage | asyncio.Event | None = b"sound"
        """What a text becomes: speech, an error, nothing before an event, or None: speech that breaks off."""

    @contextmanager
    def running(self) -> Iterator["FakeDaemon"]:
        """Serve from a thread of its own, for commands that run a loop of theirs."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()

        async def serve() -> None:
            async with self._serving():
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            loop.close()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get(PATH, self._chat)
        app.router.add_get(f"{PATH}/status", self._status)
        app.router.add_post(f"{PATH}/speak", self._speak)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls).start()
            self.url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{runner.addresses[0][1]}{PATH}"
            yield
        finally:
            await runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.json_response(self.status)

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        self._admit(request)
        self.scripts.append(protocol.decode_speak(await request.read()))
        match self.speech:
            case bytes():
                return web.Response(body=self.speech)
            case asyncio.Event():
                await self.speech.wait()
                return web.Response()
            case None:
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"so")
                assert request.transport is not None
                request.transport.close()
                return response
            case _:
                return web.Response(status=500, text=protocol.encode(self.speech), content_type="application/json")

    async def _chat(self, request: web.Request) -> web.WebSocketResponse:
        self._admit(request)
        websocket = web.WebSocketResponse(max_msg_size=2**24)
        await websocket.prepare(request)
        self.queries.append(dict(request.query))
        await self._send(websocket, [established(request.query)] if self.opening is None else self.opening)
        async for message in websocket:
            binary = message.type is WSMsgType.BINARY
            received = message.data if binary else protocol.decode(message.data)
            self.received.append(received)
            await self._send(websocket, self.answer(received))
        return websocket

    def _admit(self, request: web.Request) -> None:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized

    async def _send(self, websocket: web.WebSocketResponse, replies: list[Reply]) -> None:
        for reply in replies:
            if isinstance(reply, int):
                await websocket.close(code=reply, message=b"as told")
            elif isinstance(reply, bytes):
                await websocket.send_bytes(reply)
            else:
                await websocket.send_str(protocol.encode(reply))


def established(query: Any) -> protocol.ConnectionEstablished:
    """Make the first message of a connection, with a bound of 64 KiB on recordings."""
    limits = protocol.ConnectionLimits(
        max_audio_bytes=2**16,
        max_audio_seconds=60,
        max_text_characters=4000,
        max_waiting_utterances=2,
        messages_per_second=20,
        turns_per_minute=60,
        audio_seconds_per_minute=240,
        turn_wait_seconds=5,
        turn_timeout_seconds=20,
        next_sound_seconds=10,
        idle_timeout_seconds=600,
        max_session_seconds=0,
    )
    opening = msgspec.structs.asdict(protocol.parse_opening(query))
    chosen = {name: value for name, value in opening.items() if value is not msgspec.UNSET}
    fields = {name: chosen.get(name, default) for name, default in _OPENING_DEFAULTS.items()}
    config = protocol.ConnectionConfig(target_response_time="< 2 seconds", limits=limits, **fields)
    return protocol.ConnectionEstablished(connection_id="c", session_id="s", message="Welcome", config=config)


_OPENING_DEFAULTS: dict[str, Any] = {
    "language": "ar",
    "voice_type": "female",
    "turn_detection": "none",
    "response_mode": "complete",
    "audio_format": "mp3",
    "audio_transport": "base64",
}
