"""Asks any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, a cloud."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import msgspec
import openai
import structlog
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.engines.remote import FAILURES, OPENAI_URL, Server, explain, retry_in
from simplevoice.errors import ReplyError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk
from simplevoice.llm.prompts import system_prompt
from simplevoice.types import LANGUAGES, Language

log = structlog.get_logger(__name__)

MOST_CHARACTERS_PER_TOKEN = 16
"""A server that writes more than ``max_tokens`` can be does not count them, and is stopped there."""


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    """What a server answers when it is asked for its models."""

    data: list[_Model]


class OpenAIModel(LanguageModel):
    """A model on a server. Where none is named, the first that the server lists.

    A server that is away when the daemon starts is asked again by each turn.
    """

    name = "openai"

    def __init__(self, config: LlmConfig, models: ModelsConfig) -> None:
        self._config = config
        self._server = Server(config.base_url, config.api_key, config.timeout_seconds)
        self._model = config.model
        self._takes_options = True
        self._state: EngineState = "stopped"
        self._problem: str | None = None

    @property
    def languages(self) -> frozenset[Language]:
        """All: the operator chose the model."""
        return frozenset(LANGUAGES)

    def health(self) -> EngineHealth:
        """Tell the server, and what went wrong last when the last request did."""
        host = self._server.host
        detail = f"{host}: {self._problem}" if self._problem else host
        return EngineHealth(self.name, self._state, self._model, detail=detail)

    async def load(self) -> None:
        """Prepare to ask; nobody is asked yet. Raises ReplyError when no model is named for OpenAI's own service."""
        if self._model is None and self._server.url == OPENAI_URL:
            self._state = "failed"
            self._problem = "llm.model is not set"
            raise ReplyError("llm.model must be set for OpenAI's own service")
        await self._server.client()
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
        await self._server.release()

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._server.release()
        self._state = "stopped"

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Stream the reply. Reasoning that the server gives beside it is left out."""
        loop, seconds = asyncio.get_running_loop(), self._config.timeout_seconds
        deadline = loop.time() + seconds
        stream = await self._ask(messages, self._config.max_tokens, deadline)
        left = most = self._config.max_tokens * MOST_CHARACTERS_PER_TOKEN
        finished = False
        try:
            while left > 0 and (chunk := await self._next(stream, deadline)) is not None:
                text, ended = _read(chunk)
                finished = finished or ended
                if text:
                    yield TextChunk(text[:left], self.name)
                    left -= len(text)
                    deadline = loop.time() + seconds
        finally:
            await stream.close()
        if left <= 0:
            log.info("reply_cut_off", model=self._model, characters=most)
        elif not finished:
            raise self._failed("broke off")
        if left == most:
            raise self._failed("gave no text; a reasoning model may need more llm.max_tokens")

    async def _ask(
        self, messages: Sequence[ChatMessage], max_tokens: int, deadline: float | None = None
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        """Send the request and wait for the beginning of the answer, until the deadline (loop time)."""
        deadline = deadline or asyncio.get_running_loop().time() + self._config.timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                stream = await self._request(messages, max_tokens)
        except FAILURES as error:
            raise self._failed(explain(error, "llm"), retry_in(error)) from None
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
        client = await self._server.client()
        if self._model is None:
            self._model = await self._first_model(client)
        own_service = self._server.url == OPENAI_URL
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
        response = await client.models.with_raw_response.list()
        listed = msgspec.json.decode(response.content, type=_Models).data
        if not listed:
            raise self._failed("lists no model, set llm.model")
        return listed[0].id

    async def _next(
        self, stream: openai.AsyncStream[ChatCompletionChunk], deadline: float
    ) -> ChatCompletionChunk | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(stream, None)
        except FAILURES as error:
            raise self._failed(explain(error, "llm"), retry_in(error)) from None

    def _failed(self, problem: str, again_in: float | None = None) -> ReplyError:
        self._state, self._problem = "degraded", problem
        return ReplyError(f"the language model at {self._server.host} {problem}", retry_in=again_in)


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
