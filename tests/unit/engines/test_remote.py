import gzip
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx2
import openai
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from simplevoice.engines import remote
from simplevoice.engines.remote import MOST_ANSWER_BYTES, NO_KEY, Server, explain, retry_in

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")


def refusal(status: int, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    kind = {401: openai.AuthenticationError, 403: openai.PermissionDeniedError, 404: openai.NotFoundError}
    return kind.get(status, openai.APIStatusError)("my key is sk-1", response=response, body=None)


def lost(cause: Exception) -> openai.APIConnectionError:
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says", "again"),
    [
        (refusal(401), "answered 401, check llm.api_key", None),
        (refusal(403), "answered 403, check llm.api_key", None),
        (refusal(404), "answered 404, check llm.base_url and llm.model", None),
        (refusal(400), "answered 400", None),
        (refusal(429), "answered 429", remote.RETRY_SECONDS),
        (refusal(429, **{"Retry-After": "3"}), "answered 429", 3),
        (refusal(429, **{"Retry-After": "0"}), "answered 429", remote.RETRY_SECONDS),
        (refusal(503, **{"Retry-After": format_datetime(datetime.now(UTC))}), "answered 503", remote.RETRY_SECONDS),
        (refusal(500), "answered 500", remote.RETRY_SECONDS),
        (openai.APITimeoutError(request=REQUEST), "gave no text in time", None),
        (TimeoutError(), "gave no text in time", None),
        (lost(httpx2.ConnectError("sk-1")), "can't be reached, or broke off (ConnectError)", remote.RETRY_SECONDS),
        (openai.APIError("sk-1", REQUEST, body=None), "reported a failure in the middle of its answer", None),
        (OSError(24, "Too many open files", "sk-1"), "can't be asked (Too many open files)", None),
        (ValueError("sk-1"), "sent what can't be understood (ValueError)", None),
    ],
)
def test_failures_are_told_in_our_words_and_whether_they_pass(error: Exception, says: str, again: float | None) -> None:
    assert explain(error, "llm") == says
    assert retry_in(error) == again


@pytest.mark.parametrize(
    ("size", "compressed", "fails"),
    [(MOST_ANSWER_BYTES, False, False), (MOST_ANSWER_BYTES + 1, False, True), (10, True, True)],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_may_only_be_so_long(size: int, compressed: bool, fails: bool, status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {NO_KEY}"
        body = b" " * size
        if compressed:
            return web.Response(status=status, body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/models", answer)
    async with TestServer(app) as listening:
        server = Server(str(listening.make_url("/v1")), None, 25.0)
        client = await server.client()
        if fails:
            with pytest.raises(ValueError, match="answer"):
                await client.models.with_raw_response.list()
        elif status == 200:
            response = await client.models.with_raw_response.list()
            assert len(response.content) == size
        else:
            with pytest.raises(openai.InternalServerError):
                await client.models.with_raw_response.list()
        await server.release()


async def test_the_connections_are_made_when_they_are_needed() -> None:
    server = Server("http://me:secret@127.0.0.1:1/v1", None, 1.0)
    assert server.host == "127.0.0.1:1"
    await server.release()
    first = await server.client()
    assert await server.client() is first
    await server.release()
    assert first.is_closed()
    second = await server.client()
    assert second is not first
    await server.release()
