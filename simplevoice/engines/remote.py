"""What servers that speak OpenAI's API have in common: how they are reached, how much they may say, how they fail."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai

OPENAI_URL = "https://api.openai.com/v1"

NO_KEY = "none"
"""What a server that wants no key is sent; without one the SDK would look for a key in the environment."""

MOST_ANSWER_BYTES = 8 * 2**20
"""Far above any answer: a chunk of a token is some 300 bytes."""

RETRY_SECONDS = 0.2
"""Before a second try, where the server names no time."""

FAILURES = (openai.OpenAIError, msgspec.MsgspecError, ValueError, OSError)
"""Of a request or its answer. ValueError: what came has no end, or is no JSON, or no UTF-8. OSError: it took too long,
or this machine has no more descriptors."""


class Server:
    """A server and the connections to it, which are kept until they are released."""

    def __init__(self, base_url: str | None, api_key: str | None, timeout_seconds: float) -> None:
        self.url = base_url or OPENAI_URL
        self._key = api_key or NO_KEY
        self._timeout_seconds = timeout_seconds
        self._client: openai.AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()

    @property
    def host(self) -> str:
        """Where it is, without a password that the URL may hold."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    async def client(self) -> openai.AsyncOpenAI:
        """Give the SDK's client. It asks once: whether it is worth asking again, ``retry_in`` knows."""
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make_client)
            return self._client

    async def release(self) -> None:
        """Close the connections. The next request opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _make_client(self) -> openai.AsyncOpenAI:
        """Make a client. Blocks: it reads certificates, and imports what it needs on first use."""
        client = openai.AsyncOpenAI(
            base_url=self.url,
            api_key=self._key,
            max_retries=0,
            timeout=self._timeout_seconds,
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [_bound]}),
        )
        _ = client.audio.transcriptions, client.chat.completions, client.models
        return client


def explain(error: BaseException, section: str) -> str:
    """Say what failed, in the client's words; those of the server may quote the key or the conversation."""
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return f"answered {error.status_code}, check {section}.api_key"
        case openai.NotFoundError():
            return f"answered 404, check {section}.base_url and {section}.model"
        case openai.APIStatusError():
            return f"answered {error.status_code}"
        case TimeoutError() | openai.APITimeoutError():
            return "gave no text in time"
        case openai.APIConnectionError():
            return f"can't be reached, or broke off ({type(error.__cause__).__name__})"
        case OSError():
            return f"can't be asked ({error.strerror or type(error).__name__})"
        case openai.APIError():
            return "reported a failure in the middle of its answer"
        case _:
            return f"sent what can't be understood ({type(error).__name__})"


def retry_in(error: BaseException) -> float | None:
    """Say after how many seconds the same request may succeed; None where that is not expected, or not soon."""
    match error:
        case openai.APIStatusError():
            passing = error.status_code == HTTPStatus.TOO_MANY_REQUESTS or error.status_code >= 500
            return _retry_after(error.response.headers) if passing else None
        case openai.APITimeoutError():
            return None
        case openai.APIConnectionError():
            return RETRY_SECONDS
    return None


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(float(headers["retry-after"]), RETRY_SECONDS)
    except (KeyError, ValueError):  # not told, or told as a date
        return RETRY_SECONDS


async def _bound(response: httpx2.Response) -> None:
    """Let no answer be endless. Compressed ones, which nobody asked for, can't be bounded."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("a compressed answer")
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - of an asynchronous client
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    """A body that may only be so long."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_ANSWER_BYTES
        async for data in self._body:
            left -= len(data)
            if left < 0:
                raise ValueError("an endless answer")
            yield data

    async def aclose(self) -> None:
        await self._body.aclose()
