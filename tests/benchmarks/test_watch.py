import threading

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from simplevoice.llm import ChatMessage
from tests.benchmarks.watch import INSIDE, Inside, Watch
from tests.fakes.engines import FakeModel, FakeTranscriber
from tests.media import tone


async def look(watch: Watch) -> Inside:
    response = await watch.look(make_mocked_request("GET", INSIDE))
    assert isinstance(response.body, bytes)
    return msgspec.json.decode(response.body, type=Inside)


async def test_what_is_done_is_noted_once() -> None:
    watch = Watch()
    transcribe = watch.awaited("Whisper", FakeTranscriber().transcribe)
    await transcribe(tone(100), "en")
    watch.call("encoding", len)([])
    [heard, encoded] = (await look(watch)).spans
    assert (heard.name, encoded.name) == ("Whisper", "encoding")
    assert heard.began <= heard.ended <= encoded.began <= encoded.ended
    assert (await look(watch)).spans == []


async def test_of_a_stream_the_first_item_is_noted() -> None:
    watch = Watch()
    reply = watch.first("llama", FakeModel().reply)
    pieces = [piece async for piece in reply([ChatMessage("user", "Hello.")], "en")]
    assert len(pieces) > 0
    assert [span.name for span in (await look(watch)).spans] == ["llama"]


async def test_what_fails_is_noted_too() -> None:
    watch = Watch()
    with pytest.raises(ZeroDivisionError):
        watch.call("encoding", lambda: 1 / 0)()
    assert [span.name for span in (await look(watch)).spans] == ["encoding"]


async def test_processor_time_is_told_by_who_used_it() -> None:
    watch, over = Watch(), threading.Event()

    class Working(FakeTranscriber):
        async def load(self) -> None:
            threading.Thread(target=over.wait, name="of a library").start()

    try:
        engine = Working()
        watch.own("Whisper", engine)
        await engine.load()
        assert {"event loop", "Whisper"} <= (await look(watch)).cpu.keys()
    finally:
        over.set()
