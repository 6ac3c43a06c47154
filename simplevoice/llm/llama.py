"""Runs a GGUF model in the process, with llama.cpp through xllamacpp.

llama.cpp decodes several replies at once in slots. A slot keeps what it has read, so a conversation is sent to the
slot that knows it: then only the new words are read before the first one of the reply.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import structlog

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.errors import ModelError, ReplyError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk
from simplevoice.llm.llama_cpp import LlamaCpp, Reply, use_gpu
from simplevoice.llm.prompts import EXAMPLES, system_prompt
from simplevoice.models.catalog import find
from simplevoice.models.store import ModelStore, ensure_llm
from simplevoice.types import LANGUAGES, Language

log = structlog.get_logger(__name__)

WARM_UP_SECONDS = 60.0

SAMPLING = {"top_p": 0.9, "min_p": 0.05}

SHOWN_BY_EXAMPLES = frozenset({"smollm2-135m"})
"""Models too small to follow a system prompt."""

SAMPLING_BY_EXAMPLES = {"min_p": 0.3, "stop": ["\n\n"]}
"""Such a model is sensible only in its likeliest words, and in the first paragraph."""


class LlamaModel(LanguageModel):
    """A GGUF model: a catalogue name, a path, or by default the best of the catalogue that can be had."""

    name = "llama"

    def __init__(self, config: LlmConfig, models: ModelsConfig) -> None:
        self._config = config
        self._store = ModelStore(models)
        self._llama: LlamaCpp | None = None
        self._loading = asyncio.Lock()
        self._health = EngineHealth(self.name, "stopped", config.model)
        self._languages = frozenset(LANGUAGES)
        self._by_examples = False
        self._warming: Reply | None = None
        """What a slot reads before anybody asks for a reply."""
        self._asked = False

    @property
    def languages(self) -> frozenset[Language]:
        """Those of the catalogue; a file from elsewhere is trusted to speak all."""
        return self._languages

    def health(self) -> EngineHealth:
        """Tell the model, the device, and which better model could not be had."""
        waiting = self._llama.slots.waiting if self._llama else 0
        return msgspec.structs.replace(self._health, waiting=waiting)

    async def load(self) -> None:
        """Fetch the weights if need be, which can take minutes, and load them. Raises ModelError."""
        async with self._loading:
            if self._llama is not None:
                return
            self._asked = False
            self._set_state("loading")
            try:
                self._llama = await asyncio.to_thread(self._open)
            except ModelError as error:
                self._set_state("failed", str(error))
                raise

    async def warm_up(self) -> None:
        """Let every slot that nobody has used read a system prompt, each language in turn: no first turn has to then.

        Ends when somebody asks for a reply, who shall neither wait for it nor share the processors with it.
        """
        llama, languages = self._llama, cycle(sorted(self._languages))
        while llama is not None and llama.slots.unused and not self._asked:
            await self._read(llama, system_prompt(next(languages), self._config.instructions))

    async def close(self) -> None:
        """Stop all replies and free the memory."""
        async with self._loading:
            llama, self._llama = self._llama, None
            self._set_state("stopped")
            if llama is not None:
                await asyncio.to_thread(llama.close)

    @property
    def workers(self) -> Sequence[Executor]:
        """The threads that follow replies; each is busy as long as its slot is."""
        return () if self._llama is None else (self._llama.threads,)

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Stream the reply. Waiting for a free slot counts towards the time that the first text may take."""
        llama = self._llama
        if llama is None:
            raise ReplyError("llama is not loaded")
        self._asked = True
        if self._warming is not None:
            self._warming.stop()
        loop, seconds = asyncio.get_running_loop(), self._config.timeout_seconds
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                slot = await llama.slots.take(messages)
        except TimeoutError:
            raise llama.late(f"had no slot free within {seconds:g} s", seconds) from None
        stream = llama.start(slot, self._request(messages, self._config.max_tokens))
        pieces = 0
        try:
            while (piece := await stream.next(deadline)) is not None:
                yield TextChunk(piece, self.name)
                pieces += 1
                deadline = loop.time() + seconds
        except TimeoutError:
            raise llama.late("gave no text in time", seconds) from None
        finally:
            stream.stop()
        if not pieces:
            raise ReplyError("llama gave no text")

    async def _read(self, llama: LlamaCpp, prompt: str) -> None:
        """Let an unused slot read a system prompt."""
        # No slot knows this user, so that the one that was used longest ago is taken.
        messages = [ChatMessage("system", prompt), ChatMessage("user", f"Hello {llama.slots.unused}.")]
        self._warming = stream = llama.start(await llama.slots.take(messages), self._request(messages, max_tokens=1))
        try:
            deadline = asyncio.get_running_loop().time() + WARM_UP_SECONDS
            while await stream.next(deadline) is not None:
                pass
        except TimeoutError:
            raise llama.late("did not warm up in time", WARM_UP_SECONDS) from None
        except ReplyError:
            if not self._asked:
                raise
        finally:
            stream.stop()
            self._warming = None

    def _request(self, messages: Sequence[ChatMessage], max_tokens: int) -> dict[str, Any]:
        if self._by_examples:
            messages = [messages[0], *EXAMPLES, *messages[1:]]
        return {
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_tokens,
            "temperature": self._config.temperature,
            "stream": True,
            "cache_prompt": True,
            "return_progress": True,  # a sign of life after each batch of the prompt, at which it can be stopped
            "chat_template_kwargs": {"enable_thinking": False},
            **SAMPLING,
            **(SAMPLING_BY_EXAMPLES if self._by_examples else {}),
        }

    def _open(self) -> LlamaCpp:
        """Find the weights and load them. Blocks."""
        gpu = use_gpu(self._config.gpu)
        name, path, detail = self._weights(gpu)
        llama = LlamaCpp(path, self._config, gpu)
        self._health = EngineHealth(self.name, "ready", name, "gpu" if gpu else "cpu", detail)
        return llama

    def _weights(self, gpu: bool) -> tuple[str, Path, str | None]:
        """Return the model's name, its file, and why it is not a better one."""
        left_out: list[str] = []

        def leave_out(name: str, error: ModelError) -> None:
            log.info("better_model_unavailable", model=name, problem=str(error))
            left_out.append(name)

        name = self._config.model
        if name and (path := Path(name).expanduser()).is_file():
            return path.stem, path, None
        if name is None:
            name = ensure_llm(self._store, gpu=gpu, on_failure=leave_out)
        [path] = self._store.ensure(name).glob("*.gguf")
        self._languages = frozenset(find(name).languages)
        self._by_examples = name in SHOWN_BY_EXAMPLES
        return name, path, f"{', '.join(left_out)} can't be had" if left_out else None

    def _set_state(self, state: EngineState, detail: str | None = None) -> None:
        self._health = EngineHealth(self.name, state, self._config.model, detail=detail)
