import re
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from simplevoice.observation import Progress
from simplevoice.protocol import Guidance, TextMessage, Timings, VoiceResponse
from simplevoice.server.keys import METRICS
from simplevoice.stt import Transcript
from tests.fakes.engines import FakeEngines
from tests.unit.conversation.test_pipeline import wav
from tests.unit.server.conftest import KITCHEN, Daemon, Start
from tests.unit.test_observation import report

TURNS, STAGE = "simplevoice_turns_total", "simplevoice_turn_stage_seconds"


class Figures:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = [sample for family in self.families.values() for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have these labels; one at least."""
        found = [s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items()]
        assert found, f"no {name} with {labels}"
        return sum(found)

    @property
    def labels(self) -> set[tuple[str, str]]:
        return {pair for sample in self._samples for pair in sample.labels.items()}


async def scrape(daemon: Daemon, path: str = "/metrics", **headers: str) -> Figures:
    async with daemon.http.get(path, headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Figures(await response.text())


async def test_a_spoken_turn_is_counted_where_the_client_knows_it(daemon: Start) -> None:
    service = await daemon()
    line = await service.connect()
    await line.next()
    await line.say(wav())
    while not isinstance(answer := await line.next(), VoiceResponse):
        pass
    seen = await scrape(service)
    assert seen(TURNS, language="en", outcome="answered", reason="") == 1
    for stage, engine, reached in (
        ("decode", "", answer.timings.decode),
        ("transcribe", "fake", answer.timings.transcribe),
        ("first_text", "fake", answer.timings.first_text),
        ("first_audio", "fake", answer.timings.first_audio),
        ("total", "fake", answer.timings.total),
    ):
        labels = {"stage": stage, "language": "en", "engine": engine}
        assert reached is not None
        assert seen(f"{STAGE}_count", **labels) == 1
        assert seen(f"{STAGE}_sum", **labels) == pytest.approx(reached / 1000)
    assert seen("simplevoice_heard_audio_seconds_total", language="en") > 0
    spoken = seen("simplevoice_spoken_audio_seconds_total", language="en", engine="fake")
    assert spoken == pytest.approx(answer.duration_ms / 1000, abs=0.01)
    assert seen("simplevoice_received_bytes_total", kind="binary") == len(wav())
    assert isinstance(answer.audio_base64, bytes)
    assert seen("simplevoice_sent_bytes_total", kind="text") > len(answer.audio_base64) * 4 / 3


async def test_what_nobody_said_is_counted(daemon: Start) -> None:
    fakes = FakeEngines()
    fakes.transcriber.transcript = Transcript("thanks for watching", "en", 0.9, -2.0)
    service = await daemon(fakes)
    line = await service.connect()
    await line.next()
    await line.say(wav())
    while not isinstance(await line.next(), Guidance):
        pass
    seen = await scrape(service)
    assert seen("simplevoice_hallucinations_filtered_total", language="en", engine="fake") == 1
    assert seen(TURNS, outcome="not_understood", reason="no_speech") == 1


async def test_failures_are_there_before_the_first(daemon: Start) -> None:
    service = await daemon()
    seen = await scrape(service)
    for language in ("ar", "en"):
        assert seen(TURNS, language=language, outcome="failed", reason="REPLY_FAILED") == 0
    service.app[METRICS].turn_ended(report(outcome="failed", reason="REPLY_FAILED", language="ar"))
    seen = await scrape(service)
    assert seen(TURNS, language="ar", outcome="failed", reason="REPLY_FAILED") == 1


async def test_an_engine_that_stood_in_for_another_is_a_fallback(daemon: Start) -> None:
    service = await daemon()
    tell = service.app[METRICS].turn_ended
    tell(report(work=Progress(stt="fake", llm="echo", tts=("fake", "espeak"))))
    tell(report(work=Progress(stt="fake", llm="fake", tts=("fake",))))
    tell(report(work=Progress(), outcome="failed", reason="TRANSCRIPTION_FAILED"))
    seen = await scrape(service)
    fallbacks = seen.families["simplevoice_fallbacks"].samples
    found = {(s.labels["role"], s.labels["configured"], s.labels["used"], s.value) for s in fallbacks}
    assert found == {("llm", "fake", "echo", 1), ("tts", "fake", "espeak", 1)}


async def test_a_turn_that_was_not_answered_has_the_stages_that_it_reached(daemon: Start) -> None:
    service = await daemon()
    times = Timings(total=700, transcribe=300, endpoint=400)
    work = Progress(begun=-20, transcribe=300, stt="fake")
    service.app[METRICS].turn_ended(report(outcome="interrupted", reason="speech", times=times, work=work))
    seen = await scrape(service)
    counted = {s.labels["stage"] for s in seen.families[STAGE].samples}
    assert counted == {"begun", "transcribe", "endpoint"}


async def test_no_id_is_a_label(daemon: Start) -> None:
    service = await daemon()
    line = await service.connect(connection_id="who-am-i", session_id="what-is-mine")
    await line.next()
    await line.say(TextMessage(text="hello"))
    while not isinstance(await line.next(), VoiceResponse):
        pass
    seen = await scrape(service)
    values = {value for _, value in seen.labels}
    assert not values & {"who-am-i", "what-is-mine"}
    assert not any(value.startswith("turn_") for value in values)


async def test_names_follow_the_conventions(daemon: Start) -> None:
    seen = await scrape(await daemon())
    for name, family in seen.families.items():
        assert re.fullmatch(r"(simplevoice|process)_[a-z_]+", name)
        assert family.documentation
        if family.type == "counter":
            assert all(sample.name == f"{name}_total" for sample in family.samples)
        if family.type == "histogram":
            assert name.endswith("_seconds")
    assert not any(name.endswith("_created") for name in seen.families)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_process_is_measured(daemon: Start) -> None:
    seen = await scrape(await daemon())
    assert seen("process_resident_memory_bytes") > 1e6
    assert seen("process_start_time_seconds") > 1e9
    assert seen("process_open_fds") > 3


async def test_the_loop_is_measured(daemon: Start) -> None:
    service = await daemon()
    service.app[METRICS].loop_lagged(0.03)
    seen = await scrape(service)
    assert seen("simplevoice_event_loop_lag_seconds_bucket", le="0.05") >= 1


async def test_every_application_counts_for_itself(daemon: Start) -> None:
    first, second = await daemon(), await daemon()
    first.app[METRICS].turn_ended(report())
    assert (await scrape(first))(TURNS, outcome="answered") == 1
    assert (await scrape(second))(TURNS, outcome="answered") == 0


async def test_the_token_is_asked_for_under_every_prefix(daemon: Start, token_file: Path) -> None:
    settings: dict[str, Any] = {"server_auth_token_file": str(token_file), "server_path_prefixes": ("/api/v1",)}
    service = await daemon(**settings)
    for path in ("/metrics", "/api/v1/metrics"):
        async with service.http.get(path) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await scrape(service, path, Authorization=f"Bearer {KITCHEN}"))("simplevoice_ready") == 1


async def test_refusals_and_ends_are_counted(daemon: Start) -> None:
    service = await daemon()
    for code in (1000, 4321):
        line = await service.connect()
        await line.next()
        await line.socket.close(code=code)
    for path in ("/nothing-here", "/ws/simple-voice-chat"):
        async with service.http.get(path, headers={"Origin": "http://elsewhere.example"}) as response:
            await response.read()
    while len((seen := await scrape(service)).families["simplevoice_closed_connections"].samples) < 2:
        pass
    assert seen("simplevoice_refused_requests_total", status="404") == 1
    assert seen("simplevoice_refused_requests_total", status="403") == 1
    assert seen("simplevoice_closed_connections_total", code="1000") == 1
    assert seen("simplevoice_closed_connections_total", code="other") == 1
