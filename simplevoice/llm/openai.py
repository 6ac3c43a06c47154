"""Asks any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, a cloud."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import openai
import structlog
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engine import EngineHealth, EngineState
from simplevoice.errors import ReplyError
from simplevoice.llm import ChatMessage, LanguageModel
from simplevoice.llm.prompts import system_prompt
from simplevoice.types import LANGUAGES, Language

log = structlog.get_logger(__name__)

OPENAI_URL = "https://api.openai.com/v1"

NO_KEY = "none"
"""The SDK insists on one, or takes OPENAI_API_KEY, which was not meant for this server."""

STALL_SECONDS = 10.0
"""Between two pieces of a reply."""

HINTS = {401: ", check llm.api_key", 403: ", check llm.api_key", 404: ", check llm.base_url and llm.model"}

FAILURES = (openai.OpenAIError, ValueError, TimeoutError)
"""Of a request or a stream. ValueError: what came is no JSON, or no UTF-8."""


class OpenAIModel(LanguageModel):
    """A model on a server. Where none is named, the first that the server lists.

    A server that is away when the daemon starts is asked again by each turn. Nothing is asked twice within a turn:
    a second try would come too late to be heard.
    """

    name = "openai"

    def __init__(self, config: LlmConfig, models: ModelsConfig) -> None:
        self._config = config
        self._url = config.base_url or OPENAI_URL
        self._model = config.model
        self._client: openai.AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()
        self._takes_options = True
        self._state: EngineState = "stopped"
        self._problem: str | None = None

    @property
    def languages(self) -> frozenset[Language]:
        """All: the operator chose the model."""
        return frozenset(LANGUAGES)

    def health(self) -> EngineHealth:
        """Tell the server, and what went wrong last when the last request did."""
        address = urlsplit(self._url)
        server = f"{address.hostname}:{address.port}" if address.port else address.hostname
        detail = f"{server}: {self._problem}" if self._problem else server
        return EngineHealth(self.name, self._state, self._model, detail=detail)

    async def load(self) -> None:
        """Prepare to ask; nobody is asked yet. Raises ReplyError when no model is named for OpenAI's own service."""
        if self._model is None and self._url == OPENAI_URL:
            self._state = "failed"
            self._problem = "llm.model is not set"
            raise ReplyError("llm.model must be set for OpenAI's own service")
        await self._connected()
        self._state = "ready"

    async def warm_up(self) -> None:
        """Let the server load the model and read the system prompt. A failure is logged, and shows in the health."""
        prompt = system_prompt("en", self._config.instructions)
        try:
            stream = await self._ask([ChatMessage("system", prompt), ChatMessage("user", "Hello.")], max_tokens=1)
            await stream.close()
        except ReplyError as error:
            log.warning("language_model_server_unavailable", problem=str(error))

    async def release(self) -> None:
        """Close the connections to the server."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def close(self) -> None:
        """Close the connections to the server."""
        await self.release()
        self._state = "stopped"

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[str]:
        """Stream the reply. Reasoning that the server gives beside it is left out."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.timeout_seconds
        stream = await self._ask(messages, self._config.max_tokens, deadline)
        pieces = 0
        finished = False
        try:
            while (chunk := await self._next(stream, deadline)) is not None:
                text, ended = _read(chunk)
                finished = finished or ended
                if text:
                    yield text
                    pieces += 1
                    deadline = loop.time() + STALL_SECONDS
        finally:
            await stream.close()
        if not finished:
            raise self._failed("the reply broke off")
        if not pieces:
            raise self._failed("the reply has no text; a reasoning model may need more llm.max_tokens")

    async def _ask(
        self, messages: Sequence[ChatMessage], max_tokens: int, deadline: float | None = None
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        """Send the request and wait for the beginning of the answer, until the deadline (loop time)."""
        deadline = deadline or asyncio.get_running_loop().time() + self._config.timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                stream = await self._request(messages, max_tokens)
        except FAILURES as error:
            raise self._failed(_explain(error)) from None
        self._state, self._problem = "ready", None
        return stream

    async def _request(
        self, messages: Sequence[ChatMessage], max_tokens: int
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        """Send the request; without its options, from then on, to a server that refuses them."""
        if self._takes_options:
            try:
                return await self._create(messages, max_tokens, options=True)
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                stream = await self._create(messages, max_tokens, options=False)
                self._takes_options = False
                log.info("language_model_options_refused", model=self._model)
                return stream
        return await self._create(messages, max_tokens, options=False)

    async def _create(
        self, messages: Sequence[ChatMessage], max_tokens: int, *, options: bool
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        client = await self._connected()
        if self._model is None:
            self._model = await self._first_model(client)
        own_service = self._url == OPENAI_URL
        # vLLM, SGLang and llama.cpp hand this to the chat template, where Qwen3 and its like look for it.
        no_thinking = None if own_service or not options else {"chat_template_kwargs": {"enable_thinking": False}}
        return await client.chat.completions.create(
            model=self._model,
            messages=cast("list[ChatCompletionMessageParam]", [_as_dict(message) for message in messages]),
            stream=True,
            # OpenAI's newer models refuse the old name, most other servers know only that.
            max_tokens=openai.omit if own_service else max_tokens,
            max_completion_tokens=max_tokens if own_service else openai.omit,
            temperature=self._config.temperature if options else openai.omit,
            extra_body=no_thinking,
        )

    async def _first_model(self, client: openai.AsyncOpenAI) -> str:
        listed = await client.models.list()
        if not listed.data:
            raise self._failed("lists no model, set llm.model")
        return listed.data[0].id

    async def _next(
        self, stream: openai.AsyncStream[ChatCompletionChunk], deadline: float
    ) -> ChatCompletionChunk | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(stream, None)
        except FAILURES as error:
            raise self._failed(_explain(error)) from None

    async def _connected(self) -> openai.AsyncOpenAI:
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    def _connect(self) -> openai.AsyncOpenAI:
        """Make a client. Blocks: it reads certificates, and imports what it needs on first use."""
        client = openai.AsyncOpenAI(
            base_url=self._url,
            api_key=self._config.api_key or NO_KEY,
            max_retries=0,
            timeout=self._config.timeout_seconds,
        )
        _ = client.chat.completions, client.models
        return client

    def _failed(self, problem: str) -> ReplyError:
        self._state, self._problem = "degraded", problem
        return ReplyError(f"language model server: {problem}")


def _as_dict(message: ChatMessage) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _read(chunk: object) -> tuple[str, bool]:
    """Return the text of a chunk, and whether the reply ends with it.

    The SDK checks nothing: any JSON object passes for a chunk.
    """
    choices: Any = getattr(chunk, "choices", None) or ()
    for choice in choices if isinstance(choices, list) else ():
        content = getattr(getattr(choice, "delta", None), "content", None)
        return content if isinstance(content, str) else "", getattr(choice, "finish_reason", None) is not None
    return "", False


def _explain(error: Exception) -> str:
    """Say what failed in the client's words; those of the server may quote the key or the conversation."""
    match error:
        case openai.APIStatusError():
            return f"answered {error.status_code}{HINTS.get(error.status_code, '')}"
        case TimeoutError() | openai.APITimeoutError():
            return "gave no text in time"
        case openai.APIConnectionError():
            return f"can't be reached, or broke off ({type(error.__cause__).__name__})"
        case openai.APIError():
            return "reported a failure in the middle of the reply"
        case _:
            return f"sent what can't be understood ({type(error).__name__})"
