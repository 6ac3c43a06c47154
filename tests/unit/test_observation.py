import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from simplevoice.config import Config
from simplevoice.engines.lent import Engines
from simplevoice.errors import (
    AudioError,
    BusyError,
    ErrorCode,
    RateLimitedError,
    ReplyError,
    SimpleVoiceError,
    TranscriptionError,
)
from simplevoice.llm.policy import ReplyPolicy
from simplevoice.observation import Observation, Progress, TurnReport, log_turn, outcome_of
from simplevoice.outgoing import MAX_QUEUED_MESSAGES
from simplevoice.protocol import Guidance, Interrupt, Interrupted, Pong, TextMessage, Timings, VoiceResponse
from simplevoice.stt import Transcript
from simplevoice.stt.policy import TranscriptionPolicy
from tests.fakes.client import FakeClient, connected, with_changes
from tests.fakes.engines import FakeEngines, FakeModel, FakeTranscriber
from tests.unit.conversation.test_pipeline import wav


def report(**facts: Any) -> TurnReport:
    """An answered turn, but for the given facts."""
    usual: dict[str, Any] = {
        "connection_id": "c",
        "session_id": "s",
        "turn_id": "turn_1",
        "language": "en",
        "utterance": "recording",
        "outcome": "answered",
        "reason": None,
        "problem": None,
        "ended_at": 1_700_000_000.0,
        "times": Timings(total=900, decode=10, transcribe=300, first_text=400, first_audio=500),
        "work": Progress(0, 10, 300, 400, 500, 2000, stt="whisper", llm="llama", tts=("edge",)),
        "reply_ms": 1500,
        "words": None,
    }
    return TurnReport(**usual | facts)


def test_a_turn_is_one_line_with_what_is_known_of_it() -> None:
    with capture_logs() as lines:
        log_turn(report(work=Progress(0, 10, 300, audio_ms=2000, stt="whisper", tts=("edge", "espeak"))))
    assert lines == [
        {
            "log_level": "info",
            "event": "turn",
            "connection_id": "c",
            "session_id": "s",
            "turn_id": "turn_1",
            "outcome": "answered",
            "language": "en",
            "utterance": "recording",
            "stt": "whisper",
            "tts": "edge+espeak",
            "total": 900,
            "decode": 10,
            "transcribe": 300,
            "first_text": 400,
            "first_audio": 500,
            "audio_ms": 2000,
            "reply_ms": 1500,
        }
    ]


def test_only_what_the_daemon_did_wrong_is_a_warning() -> None:
    with capture_logs() as lines:
        log_turn(report(outcome="failed", reason="REPLY_FAILED", problem="no server"))
        log_turn(report(outcome="rejected", reason="EMPTY_AUDIO", problem="no sample"))
    assert [line["log_level"] for line in lines] == ["warning", "info"]
    assert lines[0]["problem"] == "no server"


def test_what_was_said_is_told_only_where_it_is_wanted() -> None:
    with capture_logs() as lines:
        log_turn(report(words=("hello", "hi")))
    assert (lines[0]["heard"], lines[0]["reply"]) == ("hello", "hi")


def test_a_speech_is_one_line_too() -> None:
    with capture_logs() as lines:
        about = {"connection_id": None, "session_id": None, "utterance": None, "words": ("", "hi")}
        log_turn(report(kind="speech", work=Progress(begun=3), times=Timings(total=9), reply_ms=0, **about))
    assert lines == [
        {
            **{"log_level": "info", "event": "speech", "turn_id": "turn_1"},
            **{"outcome": "answered", "language": "en", "total": 9, "reply": "hi"},
        }
    ]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AudioError("no sample"), "rejected"),
        (BusyError("full"), "refused"),
        (RateLimitedError("too much", retry_after_ms=None), "refused"),
        (ReplyError("no server"), "failed"),
    ],
)
def test_whose_fault_an_error_is(error: SimpleVoiceError, outcome: str) -> None:
    assert outcome_of(error) == outcome


def test_an_observer_that_fails_harms_nobody() -> None:
    told: list[TurnReport] = []

    def fail(_: TurnReport) -> None:
        raise RuntimeError("out of order")

    observation = Observation(fail)
    observation.subscribe(told.append)
    with capture_logs() as lines:
        observation.report(report())
    assert told == [report()]
    assert lines[0]["event"] == "observer_failed"


# What a turn reports of itself


async def only_report(client: FakeClient) -> TurnReport:
    (reported,) = client.reports
    return reported


async def test_an_answered_turn() -> None:
    async with connected(FakeEngines()) as client:
        await client.say(wav())
        answer = await client.next(VoiceResponse)
        told = await only_report(client)
        assert (told.outcome, told.reason, told.utterance, told.language) == ("answered", None, "recording", "en")
        assert (told.connection_id, told.session_id, told.turn_id) == ("c", "s", answer.turn_id)
        assert told.times == answer.timings
        assert (told.work.stt, told.work.llm, told.work.tts) == ("fake", "fake", ("fake",))
        assert told.work.begun is not None
        assert told.work.audio_ms > 0
        assert told.reply_ms == pytest.approx(answer.duration_ms, abs=1)
        assert told.words is None


class _EnginesBehindOthers(FakeEngines):
    """Its recognizer and model stand by for others."""

    def __init__(self) -> None:
        super().__init__()
        self.transcriber.name, self.model.name = "second ears", "second head"
        self.others = FakeTranscriber(), FakeModel()
        self.ears_of_all = TranscriptionPolicy([self.others[0], self.transcriber], failures=3, retry_seconds=3600)
        self.head_of_all = ReplyPolicy([self.others[1], self.model], failures=3, retry_seconds=3600)

    @property
    def engines(self) -> Engines:
        return msgspec.structs.replace(super().engines, transcriber=self.ears_of_all, model=self.head_of_all)


async def test_a_turn_names_who_worked_in_the_place_of_who_failed() -> None:
    fakes = _EnginesBehindOthers()
    await fakes.ears_of_all.load()
    await fakes.head_of_all.load()
    fakes.others[0].error, fakes.others[1].error = TranscriptionError("down"), ReplyError("down")
    async with connected(fakes) as client:
        await client.say(wav())
        await client.next(VoiceResponse)
        told = await only_report(client)
    first_asked = (fakes.ears_of_all.engine_for("en"), fakes.head_of_all.engine_for("en"))
    assert first_asked == ("fake", "fake"), "they are asked first still"
    assert (told.work.stt, told.work.llm) == ("second ears", "second head")


async def test_a_typed_turn_has_no_recognizer() -> None:
    async with connected(FakeEngines()) as client:
        await client.say(TextMessage(text="hello"))
        await client.next(VoiceResponse)
        told = await only_report(client)
        assert (told.utterance, told.work.stt, told.work.audio_ms) == ("typed", None, 0)


@pytest.mark.parametrize(("text", "hallucinated"), [("thanks for watching", True), ("", False)])
async def test_words_that_nobody_said(text: str, hallucinated: bool) -> None:
    fakes = FakeEngines()
    fakes.transcriber.transcript = Transcript(text, "en", no_speech_probability=0.9, average_log_probability=-2.0)
    async with connected(fakes) as client:
        await client.say(wav())
        await client.next(Guidance)
        told = await only_report(client)
        assert (told.outcome, told.reason, told.work.hallucinated) == ("not_understood", "no_speech", hallucinated)


async def test_an_interrupted_turn_says_who_did_it() -> None:
    fakes = FakeEngines()
    fakes.model.gate.shut()
    async with connected(fakes) as client:
        await client.say(TextMessage(text="hello"))
        await fakes.model.gate.reached.wait()
        await client.say(Interrupt())
        await client.next(Interrupted)
        assert [(r.outcome, r.reason) for r in client.reports] == [("interrupted", "client")]
        fakes.model.gate.shut()
        await client.say(TextMessage(text="again"))
        await fakes.model.gate.reached.wait()
        await client.conversation.stop()
        assert [(r.outcome, r.reason) for r in client.reports[1:]] == [("interrupted", "disconnected")]


async def test_a_turn_that_was_answered_and_is_interrupted_while_it_is_played_is_reported_once() -> None:
    async with connected(FakeEngines(), response_mode="stream", audio_format="pcm16") as client:
        await client.say(TextMessage(text="hello"))
        answer = await client.next(VoiceResponse)
        await client.say(Interrupt(turn_id=answer.turn_id, played_ms=10))
        await client.next(Interrupted)
        assert [r.outcome for r in client.reports] == ["answered"]


async def test_a_turn_whose_answer_finds_no_room_is_reported_when_its_client_is_given_up() -> None:
    fakes = FakeEngines()
    fakes.model.gate.shut()
    async with connected(fakes, audio_format="pcm16") as client:
        await client.say(TextMessage(text="hello"))
        await fakes.model.gate.reached.wait()
        client.reading.clear()
        await client.connection.send(Pong())
        await asyncio.sleep(0)  # its writer stands at the wire with it
        for _ in range(MAX_QUEUED_MESSAGES):
            await client.connection.send(Pong())
        fakes.model.gate.opened.set()
        while client.connection.last_response_time_ms is None:
            await asyncio.sleep(0)
        assert client.reports == []
        await client.conversation.stop()
        assert [r.outcome for r in client.reports] == ["answered"]
        client.reading.set()


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (ReplyError("no server"), "failed", ErrorCode.REPLY_FAILED),
        (AudioError("no sample", code=ErrorCode.EMPTY_AUDIO), "rejected", ErrorCode.EMPTY_AUDIO),
        (ZeroDivisionError("a bug"), "failed", ErrorCode.INTERNAL_ERROR),
    ],
)
async def test_a_failed_turn_says_why(error: Exception, outcome: str, code: ErrorCode) -> None:
    fakes = FakeEngines()
    fakes.model.error = error
    config = with_changes(Config(), "logging", transcripts=True)
    async with connected(fakes, config) as client:
        await client.say(TextMessage(text="hello"))
        await client.conversation.finish()
        told = await only_report(client)
        assert (told.outcome, told.reason, told.work.llm) == (outcome, code, "fake")
        assert told.problem
        assert told.words == ("hello", "")


def test_no_sound_leaves_before_the_turn_is_over() -> None:
    progress = Progress(first_audio=560)
    assert progress.timings(900, 561).first_audio == 561
    assert progress.timings(900, 400).first_audio == 560
    assert progress.timings(900, None).first_audio == 560
    assert Progress().timings(900, 561).first_audio is None
