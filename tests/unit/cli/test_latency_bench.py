"""``simplevoice bench latency`` against real daemons: with fake engines behind real ears, and with real ones."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import click
import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from rich.console import Console

from simplevoice import protocol
from simplevoice.address import chat_url
from simplevoice.cli import latency as figures_module
from simplevoice.cli import latency_bench as module
from simplevoice.cli.clips import Clip
from simplevoice.cli.latency import Spread, Summary, TurnFigures
from simplevoice.cli.latency_bench import Caller, Plan, Report, Run, measure, picture, show
from simplevoice.cli.machine import Machine
from simplevoice.cli.target import Target
from simplevoice.cli.watching import EngineView
from simplevoice.client import Conversation
from simplevoice.config import Config
from simplevoice.engines.ears import open_ears
from simplevoice.errors import ConnectionFailedError
from simplevoice.server.app import create_app, start_service
from simplevoice.service import SimpleVoiceService
from tests.fakes.daemon import FakeDaemon
from tests.fakes.engines import FakeEngines
from tests.media import recording, segment


@pytest.fixture(autouse=True)
def soon_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than a test needs."""
    monkeypatch.setattr(figures_module, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(figures_module, "NO_TURN_SECONDS", 0.5)


@pytest.fixture
async def daemon() -> AsyncIterator[tuple[str, FakeEngines]]:
    """A daemon with the real small models and fakes for the rest."""
    fakes, config = FakeEngines(), Config()
    engines = fakes.transcriber, fakes.model, fakes.speaker
    app = create_app(config, SimpleVoiceService(config.limits, *engines, lambda: open_ears(config)))
    async with TestServer(app) as server:
        await start_service(app)
        yield chat_url(str(server.make_url("/"))), fakes


def write(folder: Path, name: str, *, speech: bool = True) -> None:
    audio = recording("en-LJ042-0094.wav")[:1500] if speech else segment(np.zeros(8000))
    audio.export(folder / name, format="wav").close()


def plan(folder: Path, *, repetitions: int = 1, clients: int = 1) -> Plan:
    return Plan(folder, "en", repetitions, [clients])


@pytest.mark.models
async def test_clips_are_spoken_and_answered(daemon: tuple[str, FakeEngines], tmp_path: Path) -> None:
    url, fakes = daemon
    fakes.transcriber.transcript = fakes.transcriber.transcript.__class__("are we there yet?", "en")
    write(tmp_path, "en-1.wav")
    write(tmp_path, "other.wav")
    report = await measure(plan(tmp_path, clients=2), Target(url))
    [run] = report.runs
    assert report.machine.engines["stt"].engine == "fake"
    assert sorted((turn.client, turn.clip) for turn in run.turns) == [
        *((0, "en-1.wav"), (0, "other.wav"), (1, "en-1.wav"), (1, "other.wav"))
    ]
    assert {turn.outcome for turn in run.turns} == {"answered"}
    assert run.clients == run.clips["other.wav"].answered == 2
    for turn in run.turns:
        assert turn.stages is not None
        assert turn.stages.endpoint is not None
        assert turn.endpoint_ms is not None
        assert turn.answer_ms is not None
        assert turn.stages.endpoint - 50 <= turn.endpoint_ms <= turn.answer_ms < 3000
        assert turn.first_sound_ms == turn.answer_ms
        assert turn.splits == 0
    # A system prompt and an utterance: each turn begins a conversation. Each client has one more, to warm up.
    assert [len(messages) for messages in fakes.model.received] == [2] * 6


@pytest.mark.models
async def test_silence_is_no_turn(daemon: tuple[str, FakeEngines], tmp_path: Path) -> None:
    write(tmp_path, "en-quiet.wav", speech=False)
    [run] = (await measure(plan(tmp_path, repetitions=2), Target(daemon[0]))).runs
    assert [turn.outcome for turn in run.turns] == ["no turn"] * 2
    assert run.overall.answered == 0


async def test_a_lost_connection_is_told(tmp_path: Path) -> None:
    write(tmp_path, "en-1.wav")
    told = pytest.raises(ConnectionFailedError, match=r"closed the connection \(1011 as told\)")
    with FakeDaemon(lambda message: [1011] if isinstance(message, bytes) else []).running() as daemon, told:
        await measure(plan(tmp_path, clients=2), Target(daemon.url))


async def test_a_frame_that_is_late_is_told(tmp_path: Path) -> None:
    """The sender is held up between two frames of the clip; the time after it is made good."""
    clip = Clip("en-1.wav", "en", recording("en-LJ042-0094.wav")[:300].set_frame_rate(16_000).raw_data)
    sent: list[float] = []

    class Slow(Conversation):
        def __init__(self) -> None:
            """Go nowhere."""

        async def send(self, message: protocol.ClientMessage | bytes) -> None:
            if isinstance(message, bytes):
                sent.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.1 if len(sent) == 20 else 0)

    caller = Caller(Slow(), 0)
    speaking = asyncio.create_task(caller.speak())
    said = await caller.say(clip)
    speaking.cancel()
    await asyncio.wait([speaking])
    assert said.lag_ms > 95
    assert sent[30] - sent[0] == pytest.approx(30 * 0.02, abs=0.05)


def test_tables_have_a_line_for_each_clip(capsys: pytest.CaptureFixture[str]) -> None:
    waits = {"answer_ms": Spread(612.4, 700, 733), "lag_ms": Spread(1, 2, 3)}
    summary = Summary(5, 4, 1, waits, {"endpoint": Spread(512, 512, 512)})
    machine = Machine(2, 0.5, "9.9.9", {"tts": EngineView(engine="edge", active="espeak")})
    show(Report(machine, [Run(1, summary, {"a.wav": summary}, []), Run(2, summary, {}, [])]))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["this machine: 2 cores, load 0.5", "daemon 9.9.9: tts espeak"]
    assert "a.wav 4 of 5 1 - - 612 / 700 / 733 - 1 / 2 / 3" in lines
    assert "all 512 / 512 / 512 - - - -" in lines
    assert any(line.startswith("2 clients at once") for line in lines)


def test_a_narrow_terminal_shows_the_figures_to_compare_each_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spread = Spread(1612.4, 1700, 1733)
    waits = dict.fromkeys(("endpoint_ms", "first_sound_ms", "answer_ms", "audible_ms", "lag_ms"), spread)
    summary = Summary(5, 4, 1, waits, dict.fromkeys(("endpoint", "transcribe", "first_text", "first_audio"), spread))
    monkeypatch.setattr(module, "console", lambda: Console(width=80))
    show(Report(Machine(2, 0.5, "9.9.9", {}), [Run(1, summary, {"en-LJ042-0094": summary}, [])]))
    lines = capsys.readouterr().out.splitlines()
    told = [" ".join(line.split()) for line in lines if line.startswith("en-LJ042-0094")]
    cell = "1612 / 1700 / 1733"
    assert told == [f"en-LJ042-0094 4 of 5 1 {cell} {cell}", f"en-LJ042-0094 {cell} {cell} {cell}"]
    assert lines[-1] == "A terminal of 120 columns shows more of it, --json all."


def test_the_picture_has_a_series_for_each_number_of_clients() -> None:
    turn = TurnFigures(clip="a.wav", client=0, outcome="answered", splits=0, answer_ms=612.4, lag_ms=1)
    silent = TurnFigures(clip="a.wav", client=0, outcome="no turn", splits=0, lag_ms=1)
    summary = Summary(1, 1, 0, {}, {"endpoint": Spread(512, 600, 700)})
    runs = [Run(1, summary, {"a.wav": summary}, [turn, silent]), Run(2, summary, {"a.wav": summary}, [turn, turn])]
    drawn = picture(Report(Machine(2, 0.5, "9.9.9", {}), runs))
    assert drawn.waits == {"one client": [612.4], "2 clients at once": [612.4, 612.4]}
    assert drawn.stages == {"a.wav": {"endpoint": 512}}


def test_a_folder_without_clips_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="no wav"):
        asyncio.run(measure(plan(tmp_path), Target("ws://127.0.0.1:1")))
