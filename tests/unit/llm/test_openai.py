"""The engine against a server that fails in every way that servers do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.errors import ReplyError
from simplevoice.llm import ChatMessage
from simplevoice.llm.openai import OpenAIModel
from tests.fakes.faulty import Fault
from tests.fakes.language_server import (
    END,
    Answer,
    LanguageServer,
    breaks_off_after,
    event,
    hangs_after,
    says,
    text,
)

MESSAGES = [ChatMessage("system", "Be brief."), ChatMessage("user", "My secret is Rumpelstiltskin.")]
KEY = "sk-very-secret-key"


@pytest.fixture
async def server() -> AsyncIterator[LanguageServer]:
    async with LanguageServer() as server:
        yield server


@asynccontextmanager
async def connected(server: LanguageServer, **settings: Any) -> AsyncIterator[OpenAIModel]:
    model = OpenAIModel(LlmConfig(**{"base_url": server.url, **settings}), ModelsConfig())
    await model.load()
    yield model
    await model.close()


HELLO = says(event(delta={"role": "assistant", "content": ""}), text("Hel"), text("lo."), END)


async def collect(model: OpenAIModel) -> list[str]:
    return [chunk.text async for chunk in model.reply(MESSAGES, "en")]


async def test_it_streams_the_reply_and_sends_what_was_configured(server: LanguageServer) -> None:
    server.answers = [HELLO]
    async with connected(server, model="tiny", max_tokens=33, temperature=0.5, api_key=KEY) as model:
        assert await collect(model) == ["Hel", "lo."]
        assert model.health().state == "ready"
    [request] = server.requests
    assert request == {
        "model": "tiny",
        "messages": [{"role": m.role, "content": m.content} for m in MESSAGES],
        "stream": True,
        "max_tokens": 33,
        "temperature": 0.5,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_it_needs_neither_a_key_nor_the_name_of_a_model(
    server: LanguageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "meant-for-somebody-else")
    server.answers = [HELLO, HELLO]
    async with connected(server) as model:
        assert await collect(model) == ["Hel", "lo."]
        server.models = ["another"]
        assert await collect(model) == ["Hel", "lo."]
        assert model.health().model == "first"
    assert [request["model"] for request in server.requests] == ["first", "first"]
    assert "somebody-else" not in server.headers[0]["Authorization"]


async def test_reasoning_is_not_part_of_the_reply(server: LanguageServer) -> None:
    server.answers = [
        says(event(delta={"reasoning_content": "Hm."}), event(delta={"reasoning": "Hm."}), text("Yes."), END)
    ]
    async with connected(server) as model:
        assert await collect(model) == ["Yes."]


async def test_chunks_without_text_are_passed_over(server: LanguageServer) -> None:
    usage = b'data: {"id":"1","object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":3}}\n\n'
    server.answers = [says(b": ping\n\n", usage, b'data: {"choices":null}\n\n', b"data: 42\n\n", text("Yes."), END)]
    async with connected(server) as model:
        assert await collect(model) == ["Yes."]


async def test_a_server_that_refuses_the_options_is_asked_without_them_from_then_on(server: LanguageServer) -> None:
    server.answers = [400, HELLO, HELLO]
    async with connected(server) as model:
        assert await collect(model) == ["Hel", "lo."]
        assert await collect(model) == ["Hel", "lo."]
    assert ["temperature" in request for request in server.requests] == [True, False, False]
    assert "chat_template_kwargs" not in server.requests[1]


async def test_a_refusal_with_another_reason_changes_nothing(server: LanguageServer) -> None:
    server.answers = [400, 400, HELLO]
    async with connected(server) as model:
        with pytest.raises(ReplyError, match="answered 400"):
            await collect(model)
        assert await collect(model) == ["Hel", "lo."]
    assert "temperature" in server.requests[2]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (500, "answered 500"),
        (401, "answered 401, check llm.api_key"),
        (404, "answered 404, check llm.base_url and llm.model"),
        (429, "answered 429"),
        (breaks_off_after(), "broke off"),
        (breaks_off_after(text("Hel")), "broke off"),
        (says(text("Hel")), "broke off"),
        (says(), "broke off"),
        (says(text("Hel"), b"data: {oops\n\n"), "can't be understood"),
        (says(b"data: \xff\xfe\n\n"), "can't be understood"),
        (says(b'data: {"error": {"message": "Rumpelstiltskin", "code": 500}}\n\n'), "in the middle"),
        (says(END), "no text"),
        (says(event(delta={"reasoning_content": "Hm."}, finish_reason="length"), b"data: [DONE]\n\n"), "no text"),
    ],
)
async def test_a_failure_is_told_once_without_the_key_or_what_was_said(
    server: LanguageServer, answer: Answer | int, problem: str
) -> None:
    server.answers = [answer, HELLO]
    async with connected(server, api_key=KEY) as model:
        with pytest.raises(ReplyError, match=problem) as failure:
            await collect(model)
        chain: BaseException | None = failure.value
        while chain:
            assert KEY not in str(chain)
            assert "Rumpelstiltskin" not in str(chain)
            chain = None if chain.__suppress_context__ else chain.__cause__ or chain.__context__
        assert len(server.requests) == 1
        assert model.health().state == "degraded"
        assert problem in (model.health().detail or "")

        assert await collect(model) == ["Hel", "lo."]
        assert model.health().state == "ready"


@pytest.mark.parametrize(
    ("fault", "problem", "retry_in"),
    [
        (Fault.REFUSES, "can't be reached", 0.2),
        (Fault.CLOSES, "can't be reached, or broke off", 0.2),
        (Fault.UNAUTHORIZED, "answered 401", None),
        (Fault.NOT_FOUND, "answered 404", None),
        (Fault.BUSY, "answered 429", 7),
        (Fault.FAILS, "answered 500", 7),
        (Fault.UNAVAILABLE, "answered 503", 7),
        (Fault.HANGS, "in time", None),
        (Fault.NOT_JSON, "can't be understood", None),
        (Fault.NOT_UTF8, "can't be understood", None),
        (Fault.WRONG_SHAPE, "broke off", None),
        (Fault.HTML, "broke off", None),
        (Fault.EMPTY, "broke off", None),
        (Fault.ENDLESS_LINE, "can't be understood", None),
    ],
)
@pytest.mark.parametrize("named", [True, False], ids=["model named", "model asked for"])
async def test_every_fault_before_the_first_text_says_whether_to_try_again(
    server: LanguageServer, fault: Fault, problem: str, retry_in: float | None, named: bool
) -> None:
    server.retry_after = 7
    async with connected(
        server, model="tiny" if named else None, timeout_seconds=1.0 if fault is Fault.HANGS else 20.0
    ) as model:
        await server.switch(fault)
        with pytest.raises(ReplyError, match=problem if named else ".") as caught:
            await collect(model)
        assert caught.value.retry_in == retry_in
        await server.switch(Fault.NONE)
        assert "".join(await collect(model)) == "It is noon. Time to eat.", "as soon as the server works"


@pytest.mark.parametrize(
    ("fault", "problem"),
    [(Fault.STALLS, "no text in time"), (Fault.BREAKS_OFF, "broke off"), (Fault.ENDS_EARLY, "broke off")],
)
async def test_a_reply_that_breaks_off_is_told_after_its_beginning(
    server: LanguageServer, fault: Fault, problem: str
) -> None:
    server.fault = fault
    async with connected(server, timeout_seconds=2.0 if fault is Fault.STALLS else 20.0) as model:
        reply = model.reply(MESSAGES, "en")
        assert [(await anext(reply)).text for _ in range(2)] == ["It is ", "noon. "]
        with pytest.raises(ReplyError, match=problem):
            await anext(reply)


async def test_a_reply_without_end_is_cut_off(server: LanguageServer) -> None:
    server.fault = Fault.ENDLESS_REPLY
    async with connected(server, model="tiny", max_tokens=10) as model:
        assert len("".join(await collect(model))) == 160
        async with asyncio.timeout(5):
            await server.gone.wait()


async def test_reasoning_without_end_is_cut_off(server: LanguageServer) -> None:
    async def reason(request: web.Request, response: web.StreamResponse) -> None:
        while True:
            await response.write(event(delta={"reasoning_content": "Hm. " * 5000}))

    server.answers = [reason]
    async with connected(server, timeout_seconds=20) as model:
        with pytest.raises(ReplyError, match="can't be understood"):
            await collect(model)


async def test_a_server_that_is_not_there_is_told_as_a_failure_and_asked_again(server: LanguageServer) -> None:
    async with connected(server, base_url="http://127.0.0.1:1/v1", model="tiny") as model:
        await model.warm_up()
        assert model.health().state == "degraded"
        with pytest.raises(ReplyError, match="can't be reached"):
            await collect(model)


@pytest.mark.parametrize("answer", [hangs_after(), hangs_after(event(delta={"reasoning_content": "Hm."}))])
async def test_the_first_text_has_a_deadline(server: LanguageServer, answer: Answer) -> None:
    server.answers = [answer]
    async with connected(server, timeout_seconds=0.2) as model:
        with pytest.raises(ReplyError, match="no text in time"):
            await collect(model)
        async with asyncio.timeout(5):
            await server.gone.wait()


async def test_every_further_text_has_a_deadline(server: LanguageServer) -> None:
    server.answers = [hangs_after(text("Hel"))]
    async with connected(server, timeout_seconds=2.0) as model:
        reply = model.reply(MESSAGES, "en")
        assert (await anext(reply)).text == "Hel"
        with pytest.raises(ReplyError, match="no text in time"):
            await anext(reply)


async def test_closing_the_reply_closes_the_request(server: LanguageServer) -> None:
    server.answers = [hangs_after(text("Hel")), HELLO]
    async with connected(server) as model:
        reply = model.reply(MESSAGES, "en")
        assert (await anext(reply)).text == "Hel"
        await reply.aclose()
        async with asyncio.timeout(5):
            await server.gone.wait()
        assert await collect(model) == ["Hel", "lo."]


async def test_cancelling_before_the_first_text_closes_the_request(server: LanguageServer) -> None:
    began = asyncio.Event()

    async def hang(request: web.Request, response: web.StreamResponse) -> None:
        began.set()
        await asyncio.Event().wait()

    server.answers = [hang]
    async with connected(server) as model:
        task = asyncio.create_task(collect(model))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await server.gone.wait()


async def test_the_warm_up_asks_for_one_token_and_survives_a_failure(server: LanguageServer) -> None:
    server.answers = [says(text("Hel"), END), 500]
    async with connected(server) as model:
        await model.warm_up()
        assert server.requests[0]["max_tokens"] == 1
        await model.warm_up()
        assert model.health().state == "degraded"


async def test_release_closes_the_connections_and_the_next_reply_opens_new_ones(server: LanguageServer) -> None:
    ports: list[int] = []

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        assert request.transport
        ports.append(request.transport.get_extra_info("peername")[1])
        await HELLO(request, response)

    server.answers = [note, note, note]
    async with connected(server) as model:
        await collect(model)
        await collect(model)
        await model.release()
        await collect(model)
    assert ports[0] == ports[1] != ports[2]


async def test_openais_own_service_needs_a_model() -> None:
    model = OpenAIModel(LlmConfig(api_key=KEY), ModelsConfig())
    with pytest.raises(ReplyError, match=r"llm\.model must be set"):
        await model.load()
    assert model.health().state == "failed"


async def test_a_server_without_models_is_a_failure(server: LanguageServer) -> None:
    server.models = []
    async with connected(server) as model:
        with pytest.raises(ReplyError, match="lists no model"):
            await collect(model)


async def test_the_health_names_the_server_without_its_password() -> None:
    model = OpenAIModel(LlmConfig(base_url="http://me:password@llm.example:8080/v1", model="tiny"), ModelsConfig())
    assert model.health().detail == "llm.example:8080"
    assert model.languages == {"ar", "en"}
