"""llama.cpp in this process, through xllamacpp: a loaded model, and the threads that follow its replies."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import structlog
import xllamacpp

from simplevoice.config import LlmConfig
from simplevoice.engines.cores import CORES, reply_threads
from simplevoice.engines.engine import shut_down
from simplevoice.errors import ModelError, ReplyError
from simplevoice.llm.slots import Slot, Slots

log = structlog.get_logger(__name__)

SILENT = -1
"""Below llama.cpp's least verbosity: it writes to standard error, where the daemon's JSON logs are."""

BATCH_TOKENS = {"cpu": 128, "gpu": 512}
"""Read in one go, and then it can be stopped: a second or so on a slow CPU."""

CACHE_REUSE_TOKENS = 16
"""Least run of known tokens that is moved instead of read again, when the oldest turn fell out of the history."""

CLOSE_SECONDS = 10.0
"""A reply that has not ended so long after it was told to stop hangs: it stops at the next token or batch."""


class LlamaCpp:
    """A loaded model and the threads that follow its replies."""

    def __init__(self, path: Path, config: LlmConfig, gpu: bool) -> None:
        """Load the model. Blocks. Raises ModelError."""
        self.slots = Slots(config.slots)
        self._server = serve(path, config, gpu)
        self.threads = ThreadPoolExecutor(config.slots, thread_name_prefix="llama")
        self._replies: set[Reply] = set()
        self._alive_at = time.monotonic()

    def start(self, slot: Slot, request: dict[str, Any]) -> "Reply":
        """Begin a reply in a slot, which is given back when llama.cpp is done with it. Raises ReplyError."""
        if self._server is None:
            raise ReplyError("llama was closed")
        loop = asyncio.get_running_loop()
        reply = Reply(loop, request["max_tokens"], self._note_life)
        self._replies.add(reply)

        def end(_: asyncio.Future[None]) -> None:
            self._replies.discard(reply)
            self.slots.give_back(slot)

        running = loop.run_in_executor(self.threads, reply.run, self._server, request | {"id_slot": slot.number})
        running.add_done_callback(end)
        return reply

    def late(self, problem: str, seconds: float) -> ReplyError:
        """Make the failure of who waited for so long; when nobody heard of llama.cpp meanwhile, it may be dead."""
        return ReplyError(f"llama {problem}", broken=time.monotonic() - self._alive_at >= seconds)

    def close(self) -> None:
        """Stop all replies, wait for their threads and free the model, unless one hangs. Blocks."""
        for reply in tuple(self._replies):
            reply.stop()
        if not shut_down(self.threads, CLOSE_SECONDS):
            log.error("llama_hangs", effect="its memory is not given back")
        self._server = None  # llama.cpp ends its own threads when the last reference goes

    def _note_life(self) -> None:
        self._alive_at = time.monotonic()


class Reply:
    """One reply, carried from the thread that follows llama.cpp to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_tokens: int, note_life: Callable[[], None]) -> None:
        self._loop = loop
        self._note_life = note_life
        # llama.cpp can't be slowed down, so there is room for all: a piece is a token at least, and the end is two.
        self._items: asyncio.Queue[str | ReplyError | None] = asyncio.Queue(max_tokens + 2)
        self._stopped = threading.Event()

    async def next(self, deadline: float) -> str | None:
        """Return the next piece, None at the end. Raises ReplyError, or TimeoutError at the deadline (loop time)."""
        async with asyncio.timeout_at(deadline):
            item = await self._items.get()
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
            self._put(ReplyError(f"llama.cpp refused the request: {error}", broken=True))
        finally:
            self._put(None)

    def _take(self, chunk: dict[str, Any]) -> bool:
        """Pass the text of a chunk on; True stops the reply."""
        self._note_life()
        if times := chunk.get("timings"):
            log.debug("llama_reply", known=times["cache_n"], read=times["prompt_n"], written=times["predicted_n"])
        if "error" in chunk:
            error = chunk["error"]
            self._put(ReplyError(f"llama.cpp failed: {error.get('message')}", broken=error.get("code", 500) >= 500))
            return True
        for choice in chunk.get("choices", ()):
            if text := choice["delta"].get("content"):
                self._put(text)
        return self._stopped.is_set()

    def _put(self, item: str | ReplyError | None) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)


def serve(path: Path, config: LlmConfig, gpu: bool) -> xllamacpp.Server:
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
    params.warmup = False  # the system prompts do that
    params.endpoint_slots = params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config.threads or reply_threads(CORES)
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


def use_gpu(wanted: str) -> bool:
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
