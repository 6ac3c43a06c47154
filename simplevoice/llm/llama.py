"""Runs a GGUF model in the process, with llama.cpp through xllamacpp.

llama.cpp decodes several replies at once in slots. A slot keeps what it has read, so a conversation is sent to the
slot that knows it: then only the new words are read before the first one of the reply.
"""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
import structlog
import xllamacpp

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engine import EngineHealth, EngineState
from simplevoice.errors import ModelError, ReplyError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk
from simplevoice.llm.prompts import EXAMPLES, system_prompt
from simplevoice.llm.slots import Slot, Slots
from simplevoice.models.catalog import find
from simplevoice.models.store import ModelStore, ensure_llm
from simplevoice.types import LANGUAGES, Language

log = structlog.get_logger(__name__)

SILENT = -1
"""Below llama.cpp's least verbosity: it writes to standard error, where the daemon's JSON logs are."""

BATCH_TOKENS = {"cpu": 128, "gpu": 512}
"""Read in one go, and then it can be stopped: a second or so on a slow CPU."""

CACHE_REUSE_TOKENS = 16
"""Least run of known tokens that is moved instead of read again, when the oldest turn fell out of the history."""

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
        self._llama: _Llama | None = None
        self._loading = asyncio.Lock()
        self._health = EngineHealth(self.name, "stopped", config.model)
        self._languages = frozenset(LANGUAGES)
        self._by_examples = False

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
            self._set_state("loading")
            try:
                self._llama = await asyncio.to_thread(self._open)
            except ModelError as error:
                self._set_state("failed", str(error))
                raise

    async def warm_up(self) -> None:
        """Let every slot read a system prompt, each language in turn, so that no first turn has to."""
        if self._llama is None:
            return
        llama = self._llama
        languages = sorted(self._languages)
        prompts = [
            system_prompt(languages[n % len(languages)], self._config.instructions) for n in range(self._config.slots)
        ]
        await asyncio.gather(*(self._read(llama, prompt) for prompt in prompts))

    async def close(self) -> None:
        """Stop all replies and free the memory."""
        async with self._loading:
            llama, self._llama = self._llama, None
            if llama is not None:
                await asyncio.to_thread(llama.close)
            self._set_state("stopped")

    @property
    def workers(self) -> Sequence[Executor]:
        """The threads that follow replies; each is busy as long as its slot is."""
        return () if self._llama is None else (self._llama.threads,)

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Stream the reply. Waiting for a free slot counts towards the time that the first text may take."""
        llama = self._llama
        if llama is None:
            raise ReplyError("llama is not loaded")
        loop, seconds = asyncio.get_running_loop(), self._config.timeout_seconds
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                slot = await llama.slots.take(messages)
        except TimeoutError:
            raise ReplyError(f"llama had no slot free within {seconds:g} s") from None
        stream = llama.start(slot, self._request(messages, self._config.max_tokens))
        pieces = 0
        try:
            while (piece := await stream.next(deadline)) is not None:
                yield TextChunk(piece, self.name)
                pieces += 1
                deadline = loop.time() + seconds
        finally:
            stream.stop()
        if not pieces:
            raise ReplyError("llama gave no text")

    async def _read(self, llama: "_Llama", prompt: str) -> None:
        """Let a slot read a system prompt."""
        messages = [ChatMessage("system", prompt), ChatMessage("user", "Hello.")]
        stream = llama.start(await llama.slots.take(messages), self._request(messages, max_tokens=1))
        try:
            deadline = asyncio.get_running_loop().time() + WARM_UP_SECONDS
            while await stream.next(deadline) is not None:
                pass
        finally:
            stream.stop()

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

    def _open(self) -> "_Llama":
        """Find the weights and load them. Blocks."""
        gpu = _use_gpu(self._config.gpu)
        name, path, detail = self._weights(gpu)
        llama = _Llama(path, self._config, gpu)
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


class _Llama:
    """A loaded model and the threads that follow its replies."""

    def __init__(self, path: Path, config: LlmConfig, gpu: bool) -> None:
        """Load the model. Blocks. Raises ModelError."""
        self.slots = Slots(config.slots)
        self._server = _serve(path, config, gpu)
        self.threads = ThreadPoolExecutor(config.slots, thread_name_prefix="llama")
        self._streams: set[_Stream] = set()

    def start(self, slot: Slot, request: dict[str, Any]) -> "_Stream":
        """Begin a reply in a slot, which is given back when llama.cpp is done with it. Raises ReplyError."""
        if self._server is None:
            raise ReplyError("llama was closed")
        loop = asyncio.get_running_loop()
        stream = _Stream(loop, request["max_tokens"])
        self._streams.add(stream)

        def end(_: asyncio.Future[None]) -> None:
            self._streams.discard(stream)
            self.slots.give_back(slot)

        running = loop.run_in_executor(self.threads, stream.run, self._server, request | {"id_slot": slot.number})
        running.add_done_callback(end)
        return stream

    def close(self) -> None:
        """Stop all replies, wait for their threads and free the model. Blocks."""
        for stream in tuple(self._streams):
            stream.stop()
        self.threads.shutdown()
        self._server = None  # llama.cpp ends its own threads when the last reference goes


class _Stream:
    """One reply, carried from the thread that follows llama.cpp to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_tokens: int) -> None:
        self._loop = loop
        # llama.cpp can't be slowed down, so there is room for all: a piece is a token at least, and the end is two.
        self._items: asyncio.Queue[str | ReplyError | None] = asyncio.Queue(max_tokens + 2)
        self._stopped = threading.Event()

    async def next(self, deadline: float) -> str | None:
        """Return the next piece of text, None at the end. Raises ReplyError, also at the deadline (loop time)."""
        try:
            async with asyncio.timeout_at(deadline):
                item = await self._items.get()
        except TimeoutError:
            raise ReplyError("llama gave no text in time") from None
        if isinstance(item, ReplyError):
            raise item
        if item is None and self._stopped.is_set():
            raise ReplyError("llama was closed in the middle of the reply")
        return item

    def stop(self) -> None:
        """Want no more: llama.cpp stops after the token, or the batch of the prompt, that it is at."""
        self._stopped.set()

    def run(self, server: xllamacpp.Server, request: dict[str, Any]) -> None:
        """Follow the reply to its end. Blocks."""
        try:
            server.handle_chat_completions(request, self._take)
        except (ValueError, RuntimeError) as error:
            self._put(ReplyError(f"llama.cpp refused the request: {error}"))
        finally:
            self._put(None)

    def _take(self, chunk: dict[str, Any]) -> bool:
        """Pass the text of a chunk on; True stops the reply."""
        if times := chunk.get("timings"):
            log.debug("llama_reply", known=times["cache_n"], read=times["prompt_n"], written=times["predicted_n"])
        if "error" in chunk:
            self._put(ReplyError(f"llama.cpp failed: {chunk['error'].get('message')}"))
            return True
        for choice in chunk.get("choices", ()):
            if text := choice["delta"].get("content"):
                self._put(text)
        return self._stopped.is_set()

    def _put(self, item: str | ReplyError | None) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)


def _serve(path: Path, config: LlmConfig, gpu: bool) -> xllamacpp.Server:
    """Load a model into llama.cpp's server, which is then called in the process.

    It can't be had without an HTTP listener. This one listens on a Unix socket in a folder of our own, which goes
    away at once: nobody can reach it.
    """
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.verbosity = SILENT
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.context_tokens
    params.n_batch = params.n_ubatch = BATCH_TOKENS["gpu" if gpu else "cpu"]
    params.n_cache_reuse = CACHE_REUSE_TOKENS
    params.cache_ram_mib = 0
    params.n_threads_http = 1
    params.endpoint_slots = params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config.threads or _default_threads()
    params.fit_params = gpu
    if not gpu:
        params.n_gpu_layers = 0
        params.no_kv_offload = params.no_op_offload = True
    folder = mkdtemp(prefix="simplevoice-")
    params.hostnames = [str(Path(folder, "llama.sock"))]
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelError(f"llama.cpp can't load {path.name}: {error}") from error
    finally:
        shutil.rmtree(folder)


def _default_threads() -> int:
    """Half of the cores.

    Its threads wait for each other after every step, spinning. With as many as there are cores, any other work, such
    as recognition for somebody else, holds all of them up: four replies beside Whisper then take up to a minute on two
    cores, and 1.3 s with one thread, which alone makes the first clause only some 20 ms later.
    """
    return min(8, max(1, (os.cpu_count() or 1) // 2))


def _use_gpu(wanted: str) -> bool:
    """Tell whether to use a GPU. Raises ModelError when it is wanted and there is none."""
    if wanted == "off":
        return False
    found = any(
        device["type"] == xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU
        for device in xllamacpp.get_device_info()
    )
    if wanted == "on" and not found:
        raise ModelError("llama.cpp sees no GPU; its wheels for CUDA, ROCm and Vulkan are not those of the index")
    return found
