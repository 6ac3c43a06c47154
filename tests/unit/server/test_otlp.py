import asyncio
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from simplevoice import __version__
from simplevoice.config import TracesConfig
from simplevoice.protocol import TextMessage, VoiceResponse
from simplevoice.server import otlp
from simplevoice.server.otlp import Traces
from tests.fakes.collector import Collector, collecting
from tests.unit.server.conftest import Start
from tests.unit.test_observation import report


async def traces(collector: Collector) -> Traces:
    return await asyncio.to_thread(Traces, TracesConfig(endpoint=collector.url))


def attributes(span: Span) -> dict[str, Any]:
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}


async def test_a_turn_is_a_span_and_its_stages_are_its_children() -> None:
    async with collecting() as collector:
        sending = await traces(collector)
        sending.turn_ended(report())
        await sending.close()
    spans = {span.name: span for span in collector.spans}
    assert set(spans) == {"turn", "decode", "transcribe", "reply", "speech", "deliver"}
    turn, transcribe = spans["turn"], spans["transcribe"]
    assert len({span.trace_id for span in collector.spans}) == 1
    assert turn.parent_span_id == b""
    assert all(span.parent_span_id == turn.span_id for span in collector.spans if span is not turn)
    ended = 1_700_000_000 * 10**9
    assert (turn.start_time_unix_nano, turn.end_time_unix_nano) == (ended, ended + 900 * 10**6)
    assert transcribe.start_time_unix_nano == ended + 10 * 10**6
    assert transcribe.end_time_unix_nano == ended + 300 * 10**6
    assert attributes(transcribe) == {"simplevoice.engine": "whisper"}
    assert attributes(turn) == {
        "simplevoice.connection_id": "c",
        "simplevoice.session_id": "s",
        "simplevoice.turn_id": "turn_1",
        "simplevoice.language": "en",
        "simplevoice.utterance": "recording",
        "simplevoice.outcome": "answered",
        "simplevoice.hallucinated": False,
        "simplevoice.audio_ms": 2000,
        "simplevoice.reply_ms": 1500,
    }
    assert (collector.resource["service.name"], collector.resource["service.version"]) == ("simplevoice", __version__)


async def test_what_was_said_is_in_no_span() -> None:
    async with collecting() as collector:
        sending = await traces(collector)
        sending.turn_ended(report(words=("open the pod bay doors", "I am sorry")))
        await sending.close()
    assert collector.spans
    assert not any("pod bay" in str(span) or "sorry" in str(span) for span in collector.spans)


async def test_a_failed_turn_is_an_error_with_its_code() -> None:
    async with collecting() as collector:
        sending = await traces(collector)
        sending.turn_ended(report(outcome="failed", reason="REPLY_FAILED", problem="no server"))
        await sending.close()
    [turn] = [span for span in collector.spans if span.name == "turn"]
    assert (turn.status.code, turn.status.message) == (turn.status.STATUS_CODE_ERROR, "REPLY_FAILED")


async def test_a_collector_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "CLOSE_SECONDS", 0.05)
    async with collecting() as collector:
        collector.open.clear()
        sending = await traces(collector)
        sending.turn_ended(report())
        with capture_logs() as lines:
            await sending.close()
        assert [line["event"] for line in lines] == ["traces_lost"]
        collector.open.set()
        while not collector.spans:
            await asyncio.sleep(0.001)


async def test_the_daemon_traces_a_turn(daemon: Start) -> None:
    async with collecting() as collector:
        service = await daemon(traces_endpoint=collector.url)
        line = await service.connect(connection_id="traced")
        await line.next()
        await line.say(TextMessage(text="hello"))
        while not isinstance(answer := await line.next(), VoiceResponse):
            pass
        await service.http.close()
        [turn] = [span for span in collector.spans if span.name == "turn"]
        assert attributes(turn)["simplevoice.turn_id"] == answer.turn_id
        took = (turn.end_time_unix_nano - turn.start_time_unix_nano) / 1e6
        assert took == pytest.approx(answer.timings.total, abs=1)
