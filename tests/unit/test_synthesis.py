import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from structlog.testing import capture_logs

from simplevoice import synthesis as module
from simplevoice.config import Config
from simplevoice.errors import BusyError, ErrorCode, SimpleVoiceError, SpeechError, TurnTimeoutError
from simplevoice.observation import Observation, TurnReport
from simplevoice.speech.codec import decode
from simplevoice.synthesis import Script, Synthesis
from simplevoice.tts import SpeechChunk, Voice
from simplevoice.turnstile import Turnstile
from simplevoice.types import AUDIO_FORMATS, AudioFormat
from tests.fakes.client import with_changes
from tests.fakes.engines import FakeEngines

VOICE = Voice("en", "male", "en-us+m3", "+10%")


class Stage:
    """What syntheses need, and what is reported of them."""

    def __init__(self, *steps: Any, **limits: Any) -> None:
        self.fakes = FakeEngines()
        self.fakes.speaker.steps = steps
        self.config = with_changes(Config(), "limits", **limits)
        self.turnstile = Turnstile(1, 0.0)
        self.reports: list[TurnReport] = []

    def synthesis(self, audio_format: AudioFormat = "pcm16", text: str = "good morning") -> Synthesis:
        return Synthesis(
            Script(text=text, voice=VOICE, audio_format=audio_format),
            lender=self.fakes,
            config=self.config,
            turnstile=self.turnstile,
            observation=Observation(self.reports.append),
        )

    async def failure(self, kind: type[SimpleVoiceError], places_taken: int = 0) -> list[bytes]:
        """Run one that fails; gives the sound that came before."""
        chunks: list[bytes] = []
        with pytest.raises(kind):  # noqa: PT012 - what came before is kept
            async for chunk in self.synthesis().sound():
                chunks.append(chunk)  # noqa: PERF401 - a comprehension would lose it
        assert self.fakes.running == 0
        assert self.turnstile.in_progress == places_taken
        return chunks


@pytest.mark.parametrize("audio_format", AUDIO_FORMATS)
async def test_a_text_becomes_speech_in_every_format(audio_format: AudioFormat) -> None:
    stage = Stage()
    synthesis = stage.synthesis(audio_format)
    sound = b"".join([chunk async for chunk in synthesis.sound()])
    if audio_format == "pcm16":
        assert len(sound) == 2 * len(stage.fakes.speaker.chunk)
    else:
        assert len(decode(sound, max_seconds=10)) == pytest.approx(200, abs=80)
    assert stage.fakes.speaker.received == [("good morning", VOICE)]
    [report] = stage.reports
    assert (report.kind, report.turn_id, report.language, report.outcome) == ("speech", synthesis.id, "en", "answered")
    assert (report.connection_id, report.utterance, report.words) == (None, None, None)
    assert report.work.tts == ("fake",)
    assert report.reply_ms == pytest.approx(200, abs=80)
    assert report.work.begun is not None
    assert report.work.first_audio is not None
    assert report.work.begun <= report.work.first_audio <= report.times.total


async def test_sound_comes_while_it_is_made() -> None:
    rest = asyncio.Event()
    stage = Stage(bytes(4800), rest, bytes(4800))
    async with aclosing(stage.synthesis().sound()) as sound:
        assert len(await anext(sound)) == 4800
        assert not rest.is_set()
        rest.set()
        assert len(await anext(sound)) == 4800


async def test_what_was_spoken_is_told_only_where_it_is_wanted() -> None:
    stage = Stage()
    stage.config = with_changes(stage.config, "logging", transcripts=True)
    assert [chunk async for chunk in stage.synthesis().sound()]
    assert stage.reports[0].words == ("", "good morning")


async def test_without_a_place_it_is_refused() -> None:
    stage = Stage()
    taken = stage.turnstile.ask()
    assert await stage.failure(BusyError, places_taken=1) == []
    taken.leave()
    assert stage.reports[0].outcome == "refused"
    assert stage.reports[0].reason is ErrorCode.SERVER_BUSY


async def test_what_was_made_before_a_failure_is_given() -> None:
    stage = Stage(bytes(4800), SpeechError("no more"))
    assert [len(chunk) for chunk in await stage.failure(SpeechError)] == [4800]
    [report] = stage.reports
    assert (report.outcome, report.reason, report.problem) == ("failed", ErrorCode.SPEECH_FAILED, "no more")
    assert report.reply_ms == 100


async def test_an_engine_without_speech_fails() -> None:
    assert await Stage(b"").failure(SpeechError) == []


async def test_a_fault_of_the_program_is_logged_and_told_as_one() -> None:
    stage = Stage(ZeroDivisionError("what it says stays here"))
    with capture_logs() as lines:
        await stage.failure(SimpleVoiceError)
    assert ("speech_crashed", "error") in [(line["event"], line["log_level"]) for line in lines]
    assert stage.reports[0].reason is ErrorCode.INTERNAL_ERROR
    assert stage.reports[0].problem == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("before", "limit"), [([], "turn_timeout_seconds"), ([bytes(4800)], "next_sound_seconds")], ids=["first", "next"]
)
async def test_speech_that_does_not_come_is_given_up(before: list[bytes], limit: str) -> None:
    stage = Stage(*before, asyncio.Event(), **{limit: 0.05})
    assert await stage.failure(TurnTimeoutError) == before
    assert stage.reports[0].reason is ErrorCode.TURN_TIMEOUT


async def test_who_leaves_stops_the_work() -> None:
    stage = Stage(bytes(4800), asyncio.Event())
    async with aclosing(stage.synthesis().sound()) as sound:
        await anext(sound)
    assert stage.fakes.running == 0
    assert stage.turnstile.in_progress == 0
    assert (stage.reports[0].outcome, stage.reports[0].reason) == ("interrupted", "disconnected")


async def test_who_takes_slowly_what_is_made_keeps_no_place() -> None:
    stage = Stage(*[bytes(4800)] * 20)
    async with aclosing(stage.synthesis().sound()) as sound:
        await anext(sound)
        next_one = stage.turnstile.ask()
        async with asyncio.timeout(10):
            await next_one.held.wait()
        next_one.leave()
        assert len([chunk async for chunk in sound]) == 19
    assert stage.reports[0].outcome == "answered"


async def test_an_engine_that_does_not_stop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.01)
    let_go = asyncio.Event()

    async def deaf(*_: object) -> AsyncGenerator[SpeechChunk]:
        yield SpeechChunk(bytes(4800), "pcm16", 24_000, "deaf")
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        yield SpeechChunk(bytes(4800), "pcm16", 24_000, "deaf")

    stage = Stage()
    monkeypatch.setattr(stage.fakes.speaker, "synthesize", deaf)
    synthesis = stage.synthesis()
    with capture_logs() as lines:
        async with aclosing(synthesis.sound()) as sound:
            await anext(sound)
    assert [line["event"] for line in lines] == ["engine_does_not_stop"]
    assert stage.turnstile.in_progress == 0
    [left] = [task for task in asyncio.all_tasks() if task.get_name() == synthesis.id]
    let_go.set()
    await asyncio.wait([left])
    assert synthesis._chunks.empty(), "what comes late is dropped"
