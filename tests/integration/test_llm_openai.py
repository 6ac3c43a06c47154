"""The client engine against llama.cpp's own HTTP server, with SmolLM2."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest
import xllamacpp

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.errors import ReplyError
from simplevoice.llm.openai import OpenAIModel
from simplevoice.llm.prompts import build_messages
from simplevoice.models.store import ModelStore

pytestmark = pytest.mark.models

STORY = "Tell me a very long story about a dragon, with all its adventures."


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    [weights] = ModelStore(ModelsConfig()).path("smollm2-135m").glob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.verbosity = -1
    params.n_ctx = 1024
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.fit_params = False
    params.hostnames = ["127.0.0.1"]
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


async def busy(address: str) -> bool:
    """Whether the server's only slot is generating."""
    async with aiohttp.ClientSession() as http, http.get(f"{address}/slots") as response:
        [slot] = await response.json()
        return bool(slot["is_processing"])


async def test_it_converses_with_a_real_server_and_stops_it(address: str) -> None:
    config = LlmConfig(base_url=f"{address}/v1", max_tokens=400, temperature=0.0)
    model = OpenAIModel(config, ModelsConfig())
    await model.load()
    await model.warm_up()
    assert model.health().state == "ready"
    assert "SmolLM2" in (model.health().model or "")

    question = build_messages("en", [], "What is the capital of France?", max_history_tokens=500)
    pieces = [chunk.text async for chunk in model.reply(question, "en")]
    assert len(pieces) > 3
    assert "Paris" in "".join(pieces)

    story = model.reply(build_messages("en", [], STORY, max_history_tokens=500), "en")
    assert await anext(story)
    assert await busy(address)
    await story.aclose()
    async with asyncio.timeout(3):  # the story would take longer
        while await busy(address):
            pass
    await model.close()


async def test_a_prompt_that_does_not_fit_is_refused_by_the_server(address: str) -> None:
    model = OpenAIModel(LlmConfig(base_url=f"{address}/v1"), ModelsConfig())
    await model.load()
    with pytest.raises(ReplyError, match="answered 400"):
        _ = [piece async for piece in model.reply(build_messages("en", [], "one " * 2000, max_history_tokens=0), "en")]
    await model.close()
