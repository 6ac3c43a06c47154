"""A server that speaks OpenAI's transcriptions, and fails as it is told."""

import io
import json
import wave
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from tests.fakes.faulty import BLOCK_BYTES, Fault, FaultyServer

SEGMENTS = (
    {"id": 0, "start": 0.0, "end": 3.0, "avg_logprob": -0.2, "no_speech_prob": 0.1},
    {"id": 1, "start": 3.0, "end": 4.0, "avg_logprob": -1.0, "no_speech_prob": 0.4},
)

Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


class RecognitionServer(FaultyServer):
    """Hears ``heard`` in everything, as the fault allows; ``answer`` answers in its place where it is set."""

    content_type = "application/json"

    def __init__(self, fault: Fault = Fault.NONE, *, heard: str = "What time is it?", **settings: Any) -> None:
        super().__init__(fault, **settings)
        self.heard = heard
        self.answer: Answer | None = None

    def _routes(self) -> Sequence[web.RouteDef]:
        return [web.post("/v1/audio/transcriptions", self._transcribe)]

    def _framed(self, data: bytes) -> bytes:
        return data

    def _unending(self) -> bytes:
        return b" " * BLOCK_BYTES  # JSON may begin with any amount of these

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        asked = await _read(request)
        self.requests.append(asked)
        self.connections.append(request.transport)
        if self.answer is not None:
            return await self.answer(asked)
        answer = {"text": f" {self.heard} ", "duration": 0.7, "segments": SEGMENTS}
        data = json.dumps(answer).encode()
        return await self._answer(request, [data[start : start + 16] for start in range(0, len(data), 16)])


async def _read(request: web.Request) -> dict[str, Any]:
    """Read what was asked: the fields of the form, and what kind of sound came with them."""
    form = await request.post()
    file = form["file"]
    assert isinstance(file, web.FileField)
    with file.file as data, wave.open(io.BytesIO(data.read())) as sound:
        return {
            **{k: v for k, v in form.items() if isinstance(v, str)},
            "rate": sound.getframerate(),
            "channels": sound.getnchannels(),
            "seconds": sound.getnframes() / sound.getframerate(),
            "authorization": request.headers.get("Authorization"),
        }
