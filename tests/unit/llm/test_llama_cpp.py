"""How llama.cpp's answers and failures are understood. That it works is in the integration tests: it takes weights."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from simplevoice.config import LlmConfig
from simplevoice.errors import ReplyError
from simplevoice.llm import llama_cpp
from simplevoice.llm.llama_cpp import LlamaCpp, Reply

SOON = 10.0


class Native:
    """llama.cpp's server: gives chunks, or raises, or hangs until ``go_on``."""

    def __init__(self) -> None:
        self.chunks: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def handle_chat_completions(self, request: dict[str, Any], take: Callable[[dict[str, Any]], bool]) -> None:
        assert self.go_on.wait(20)
        if self.error:
            raise self.error
        for chunk in self.chunks:
            if take(chunk):
                return


@pytest.fixture
def native() -> Native:
    return Native()


@pytest.fixture
async def llama(native: Native, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlamaCpp]:
    monkeypatch.setattr(llama_cpp, "serve", lambda *_: native)
    llama = LlamaCpp(Path("model.gguf"), LlmConfig(slots=1), gpu=False)
    yield llama
    native.go_on.set()
    await asyncio.to_thread(llama.close)


async def begin(llama: LlamaCpp) -> Reply:
    return llama.start(await llama.slots.take([]), {"max_tokens": 5})


async def next_piece(reply: Reply, seconds: float = SOON) -> str | None:
    return await reply.next(asyncio.get_running_loop().time() + seconds)


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        ({"code": 400, "message": "the request exceeds the available context size"}, False),
        ({"code": 500, "message": "Compute error."}, True),
        ({"message": "who knows"}, True),
    ],
)
async def test_a_failure_of_its_own_may_mean_that_it_is_broken(
    llama: LlamaCpp, native: Native, error: dict[str, Any], broken: bool
) -> None:
    native.chunks = [{"error": error}]
    with pytest.raises(ReplyError, match=error["message"]) as caught:
        await next_piece(await begin(llama))
    assert caught.value.broken is broken


async def test_what_it_raises_may_mean_that_it_is_broken(llama: LlamaCpp, native: Native) -> None:
    native.error = RuntimeError("no such device")
    with pytest.raises(ReplyError, match="no such device") as caught:
        await next_piece(await begin(llama))
    assert caught.value.broken


async def test_it_may_be_broken_when_nobody_hears_of_it(llama: LlamaCpp, native: Native) -> None:
    now = asyncio.get_running_loop().time
    began = now()
    native.chunks = [{"choices": [{"delta": {"content": "It is noon."}}]}]
    reply = await begin(llama)
    assert [await next_piece(reply), await next_piece(reply)] == ["It is noon.", None]
    assert not llama.late("gave no text in time", now() - began + 1).broken, "it gave somebody text meanwhile"
    native.go_on.clear()
    reply = await begin(llama)
    with pytest.raises(TimeoutError):
        await next_piece(reply, 0.01)
    assert llama.late("gave no text in time", 0.01).broken


async def test_who_hangs_is_left_behind(llama: LlamaCpp, native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "CLOSE_SECONDS", 0.01)
    native.go_on.clear()
    await begin(llama)
    with capture_logs() as logs:
        await asyncio.to_thread(llama.close)
    assert [entry["event"] for entry in logs] == ["llama_hangs"]
