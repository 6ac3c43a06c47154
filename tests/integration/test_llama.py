"""The real llama.cpp in the process, with SmolLM2."""

import asyncio
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.errors import ReplyError
from simplevoice.history import Exchange
from simplevoice.llm import ChatMessage
from simplevoice.llm.llama import LlamaModel
from simplevoice.llm.prompts import build_messages, estimate_tokens

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

CONFIG = LlmConfig(model="smollm2-135m", slots=2, threads=1, temperature=0.0, max_tokens=400)
STORY = "Tell me a very long story about a dragon, with all its adventures."
QUESTION = "What is the capital of France?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llama() -> AsyncIterator[LlamaModel]:
    model = LlamaModel(CONFIG, ModelsConfig())
    await model.load()
    yield model
    await model.close()


def ask(text: str, *past: Exchange) -> list[ChatMessage]:
    return build_messages("en", past, text, max_history_tokens=1500)


async def reply(model: LlamaModel, messages: list[ChatMessage]) -> list[str]:
    async with asyncio.timeout(25):
        return [chunk.text async for chunk in model.reply(messages, "en")]


async def begin(model: LlamaModel, messages: list[ChatMessage]) -> None:
    """Take the first piece of a reply and close it."""
    pieces = model.reply(messages, "en")
    assert await anext(pieces)
    await pieces.aclose()


async def test_it_answers_piece_by_piece_and_briefly(llama: LlamaModel) -> None:
    pieces = await reply(llama, ask(QUESTION))
    assert len(pieces) > 3
    answer = "".join(pieces)
    assert "Paris" in answer
    assert len(answer) < 200
    health = llama.health()
    assert (health.state, health.model, health.device) == ("ready", "smollm2-135m", "cpu")
    assert llama.languages == {"en"}


async def test_it_answers_several_at_once(llama: LlamaModel) -> None:
    cities = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid"}
    answers = await asyncio.gather(*(reply(llama, ask(f"What is the capital of {country}?")) for country in cities))
    for answer, city in zip(answers, cities.values(), strict=True):
        assert city in "".join(answer)


async def test_the_next_turn_reads_only_what_is_new(llama: LlamaModel) -> None:
    answer = "".join(await reply(llama, ask(QUESTION)))
    await reply(llama, ask("How many days are in a week?"))
    question = "And what is the largest city of Italy?"
    with capture_logs() as logs:
        await reply(llama, ask(question, Exchange(QUESTION, answer)))
    [told] = [entry for entry in logs if entry["event"] == "llama_reply"]
    assert told["read"] < estimate_tokens(answer) + estimate_tokens(question)
    assert told["known"] > 100


async def test_the_warm_up_leaves_only_the_question_to_read() -> None:
    model = LlamaModel(CONFIG, ModelsConfig())
    await model.load()
    await model.warm_up()
    with capture_logs() as logs:
        await asyncio.gather(reply(model, ask(QUESTION)), reply(model, ask("What is the capital of Italy?")))
    await model.close()
    read = [entry["read"] for entry in logs if entry["event"] == "llama_reply"]
    assert len(read) == 2
    assert max(read) < 25


async def test_the_first_question_ends_the_warm_up() -> None:
    model = LlamaModel(CONFIG, ModelsConfig())
    await model.load()
    warming = asyncio.create_task(model.warm_up())
    await asyncio.sleep(0)
    assert not warming.done()
    assert "Paris" in "".join(await reply(model, ask(QUESTION)))
    await warming
    await model.warm_up()
    await model.close()


async def test_the_estimate_of_tokens_is_not_too_low(llama: LlamaModel) -> None:
    text = "Paris is the capital of France, and about two million people live there. Is that not so?"
    counts = []
    for said in ("Hello.", f"Hello. {text}"):
        with capture_logs() as logs:
            await begin(llama, ask(said))
            await reply(llama, ask(said))
        counts += [entry["known"] + entry["read"] for entry in logs if entry["event"] == "llama_reply"][-1:]
    assert 0 < counts[1] - counts[0] <= estimate_tokens(text)


async def test_closing_replies_frees_their_slots_at_once(llama: LlamaModel) -> None:
    with capture_logs() as logs:
        await begin(llama, ask(STORY))
        await begin(llama, ask(f"Please! {STORY}"))
        await asyncio.gather(reply(llama, ask(QUESTION)), reply(llama, ask("What is the capital of Italy?")))
    assert len([entry for entry in logs if entry["event"] == "llama_reply"]) == 2  # no story was ever finished


async def test_cancelling_while_the_prompt_is_read_stops_the_reading(llama: LlamaModel) -> None:
    task = asyncio.create_task(reply(llama, ask("one two three four five six seven " * 180)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with capture_logs() as logs:
        await asyncio.gather(reply(llama, ask(QUESTION)), reply(llama, ask("What is the capital of Italy?")))
    assert len([entry for entry in logs if entry["event"] == "llama_reply"]) == 2


async def test_the_first_text_has_a_deadline() -> None:
    model = LlamaModel(LlmConfig(model="smollm2-135m", slots=1, threads=1, timeout_seconds=0.05), ModelsConfig())
    await model.load()
    with pytest.raises(ReplyError, match="no text in time"):
        await reply(model, ask("one two three four five six seven " * 180))
    with pytest.raises(ReplyError, match="no slot free"):
        await reply(model, ask(QUESTION))
    await model.close()


async def test_what_does_not_fit_into_the_context_is_refused(llama: LlamaModel) -> None:
    with pytest.raises(ReplyError, match="context"):
        await reply(llama, ask("one two three " * 2000))
    assert await reply(llama, ask(QUESTION))


async def test_closing_it_ends_what_it_is_at() -> None:
    before = set(threading.enumerate())
    model = LlamaModel(CONFIG, ModelsConfig())
    await model.load()
    story = model.reply(ask(STORY), "en")
    assert await anext(story)
    await model.close()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("llama")]
    with pytest.raises(ReplyError, match="in the middle"):
        _ = [piece async for piece in story]
    with pytest.raises(ReplyError, match="not loaded"):
        await reply(model, ask(QUESTION))


PROGRAM = """
import asyncio, os, sys, time
from pathlib import Path
import structlog
from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.llm.llama import LlamaModel
from simplevoice.llm.prompts import build_messages

structlog.configure(logger_factory=structlog.ReturnLoggerFactory())

async def converse(close):
    model = LlamaModel(LlmConfig(model="smollm2-135m", slots=1, threads=1, max_tokens=5), ModelsConfig())
    await model.load()
    assert ".gguf" in Path("/proc/self/maps").read_text()
    reply = model.reply(build_messages("en", [], "Hello.", max_history_tokens=100), "en")
    assert [piece async for piece in reply]
    if close:
        await model.close()

asyncio.run(converse(True))
asyncio.run(converse(True))
assert ".gguf" not in Path("/proc/self/maps").read_text()
deadline = time.monotonic() + 5
while len(os.listdir("/proc/self/task")) > 2:  # this one and llama.cpp's logger, which stays
    assert time.monotonic() < deadline
if sys.argv[1] == "left open":
    asyncio.run(converse(False))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", ["closed", "left open"])
async def test_it_writes_nothing_frees_its_memory_and_lets_the_process_end(end: str) -> None:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, end, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(28):
        written = await program.communicate()
    assert (program.returncode, *written) == (0, b"", b"")


HANG = """
import asyncio, ctypes, os, signal, threading
from pathlib import Path
import msgspec, structlog
from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.errors import ReplyError
from simplevoice.llm import llama_cpp
from simplevoice.llm.llama import LlamaModel
from simplevoice.llm.policy import ReplyPolicy
from simplevoice.llm.prompts import build_messages

structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
llama_cpp.CLOSE_SECONDS = 0.5
libc = ctypes.CDLL(None)
libc.signal.argtypes = ctypes.c_int, ctypes.c_void_p
libc.signal(signal.SIGUSR2, ctypes.cast(libc.pause, ctypes.c_void_p))  # a thread that gets it hangs, and no other

def threads():
    return {int(thread) for thread in os.listdir("/proc/self/task")}

def state_and_work(thread):
    fields = Path("/proc/self/task", str(thread), "stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[11])

async def at_rest(thread):  # where it holds no lock
    before = None
    while before != (before := state_and_work(thread)) or before[0] != "S":
        await asyncio.sleep(0.2)

async def converse():
    patient = LlmConfig(model="smollm2-135m", slots=1, threads=1, max_tokens=5, timeout_seconds=30)
    model = LlamaModel(patient, ModelsConfig())
    policy = ReplyPolicy([model], failures=3, retry_seconds=0.1)

    async def reply():
        messages = build_messages("en", [], "Hello.", max_history_tokens=100)
        return "".join([chunk.text async for chunk in policy.reply(messages, "en")])

    await policy.load()
    assert await reply()
    of_python = {thread.native_id for thread in threading.enumerate()}
    computing = max(threads() - of_python, key=lambda thread: state_and_work(thread)[1])
    await at_rest(computing)
    libc.tgkill(os.getpid(), computing, signal.SIGUSR2)
    model._config = msgspec.structs.replace(patient, timeout_seconds=1)
    try:
        await reply()
    except ReplyError as error:
        assert error.broken, error
    else:
        raise AssertionError("it still answers")
    while policy.health().breaker != "closed":
        await asyncio.sleep(0.01)
    model._config = patient
    assert await reply()

asyncio.run(converse())
os._exit(0)  # what hangs can't be waited for
"""


@pytest.mark.timeout(90)
@pytest.mark.skipif(sys.platform != "linux", reason="stops a single thread")
async def test_one_whose_thread_hangs_is_replaced() -> None:
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", HANG, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(80):
        written = await program.communicate()
    assert (program.returncode, *written) == (0, b"", b"")
