"""A server that speaks OpenAI's chat completions, and fails as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from tests.fakes.faulty import Fault, FaultyServer, cut

REPLY = ("It is ", "noon. ", "Time ", "to eat.")

Answer = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


class LanguageServer(FaultyServer):
    """Streams ``reply`` as the fault allows. While ``answers`` lasts, each request gets the next of these instead:
    a status, or whatever the function writes.
    """

    content_type = "text/event-stream"

    def __init__(self, fault: Fault = Fault.NONE, *, reply: Sequence[str] = REPLY, **settings: Any) -> None:
        super().__init__(fault, **settings)
        self.reply = reply
        self.answers: list[Answer | int] = []
        self.headers: list[dict[str, str]] = []
        self.models = ["first", "second"]

    def _routes(self) -> Sequence[web.RouteDef]:
        return web.get("/v1/models", self._list_models), web.post("/v1/chat/completions", self._complete)

    def _framed(self, data: bytes) -> bytes:
        return b"data: " + data + b"\n\n"

    def _unending(self) -> bytes:
        return text("and on ")

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        models = [{"id": name, "object": "model"} for name in self.models]
        listed = json.dumps({"object": "list", "data": models}).encode()
        return await self._answer(request, [listed], "application/json")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        self.connections.append(request.transport)
        if not self.answers:
            return await self._answer(request, [*map(text, self.reply), END])
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            error = {"message": f"{dict(request.headers)} and {self.requests[-1]['messages']}", "type": "bad"}
            return web.json_response({"error": error}, status=answer)
        response = web.StreamResponse(headers={"Content-Type": self.content_type})
        await response.prepare(request)
        try:
            await answer(request, response)
        except (ConnectionError, asyncio.CancelledError):
            self.gone.set()
            raise
        return response


def event(**choice: Any) -> bytes:
    """Make a chunk of one choice, as it stands on the wire."""
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0} | choice],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def text(content: str) -> bytes:
    """Make a chunk of text."""
    return event(delta={"content": content}, finish_reason=None)


END = event(delta={}, finish_reason="stop") + b"data: [DONE]\n\n"


def says(*parts: bytes) -> Answer:
    """Write these, and that is all."""

    async def answer(request: web.Request, response: web.StreamResponse) -> None:
        for part in parts:
            await response.write(part)

    return answer


def hangs_after(*parts: bytes) -> Answer:
    """Write these, and then nothing."""

    async def answer(request: web.Request, response: web.StreamResponse) -> None:
        await says(*parts)(request, response)
        await asyncio.Event().wait()

    return answer


def breaks_off_after(*parts: bytes) -> Answer:
    """Write these, and drop the connection."""

    async def answer(request: web.Request, response: web.StreamResponse) -> None:
        await says(*parts)(request, response)
        cut(request)

    return answer
