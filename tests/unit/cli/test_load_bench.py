"""``simplevoice bench load`` against a real server that answers as it is told."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from simplevoice import protocol
from simplevoice.cli import load_bench
from simplevoice.cli.latency import Spread
from simplevoice.cli.load_bench import LoadTurn, Plan, Report, measure, picture, show
from simplevoice.cli.machine import Machine, Use
from simplevoice.cli.target import Target
from simplevoice.errors import ErrorCode
from tests.fakes.daemon import FakeDaemon, Reply, guidance, voice_response
from tests.media import recording

CHUNK = protocol.AudioChunk(turn_id="t1", seq=0, format="pcm16", sample_rate=24_000, size=5)
ANSWER: list[Reply] = [CHUNK, b"sound", voice_response(audio_base64=msgspec.UNSET)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits longer than a test needs."""
    monkeypatch.setattr(load_bench, "AGAIN_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ar-1.wav", "en-1.wav"):
        recording("en-LJ042-0094.wav")[:300].export(tmp_path / name, format="wav").close()
    return tmp_path


async def run(folder: Path, *answers: list[Reply], talkers: int = 1, turns: int = 1) -> Report:
    """Measure a daemon that gives these answers, one an utterance."""
    left = iter(answers)
    with FakeDaemon(lambda m: next(left) if isinstance(m, bytes) else []).running() as daemon:
        return await measure(Plan(folder, "en", talkers, turns), Target(daemon.url))


async def test_every_talker_has_its_turns_and_begins_with_another_clip(folder: Path) -> None:
    report = await run(folder, *[ANSWER] * 4, talkers=2, turns=2)
    assert report.outcomes == {"answered": 4}
    assert sorted((turn.talker, turn.clip) for turn in report.turns) == [
        *((0, "ar-1.wav"), (0, "en-1.wav"), (1, "ar-1.wav"), (1, "en-1.wav"))
    ]
    for turn in report.turns:
        assert turn.first_sound_ms is not None
        assert 0 < turn.first_sound_ms <= turn.total_ms
        assert turn.stages == protocol.Timings(total=812, decode=5, transcribe=210, first_text=330, first_audio=700)
    assert report.stages["first_text"] == Spread(330, 330, 330)


async def test_outcomes_are_counted_and_a_lost_connection_is_made_again(folder: Path) -> None:
    busy = protocol.ErrorMessage(error_code=ErrorCode.SERVER_BUSY, message="", retry_suggested=True)
    cut = protocol.Interrupted(turn_id="t1", reason="client", heard_text="")
    report = await run(folder, [busy], [guidance()], [1011], [cut], ANSWER, turns=5)
    assert [turn.outcome for turn in report.turns] == [
        "SERVER_BUSY",
        "not understood",
        "lost",
        "interrupted",
        "answered",
    ]
    assert report.figures["total_ms"].max == report.turns[-1].total_ms, "only answers count"


async def test_no_answer_in_time_is_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_bench, "TURN_SECONDS", 0.05)
    assert (await run(folder, [])).outcomes == {"lost": 1}


def report(**changes: Any) -> Report:
    turn = LoadTurn(0, "a.wav", "answered", 900, 500, protocol.Timings(total=880, transcribe=200, first_audio=480))
    facts: dict[str, Any] = {
        "machine": Machine(2, 0.5, "9.9.9", {}),
        "talkers": 4,
        "seconds": 30.0,
        "outcomes": {"answered": 1, "RATE_LIMITED": 1},
        "figures": {"first_sound_ms": Spread(500, 500, 500)},
        "stages": {"first_audio": Spread(480, 480, 480)},
        "use": Use(1.5, 700, 12.5),
        "turns": [turn, LoadTurn(1, "b.wav", "RATE_LIMITED", 2)],
    }
    return Report(**facts | changes)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(report())
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2:4] == [
        "4 talkers, 2 turns in 30 s: 2 answers a minute",
        "the daemon used 1.5 cores and 700 MiB, +12.5 MiB since the start",
    ]
    assert "RATE_LIMITED 1 50%" in lines
    assert lines[-2:] == ["first sound 500 500 500", "daemon: first audio 480 480 480"]


def test_without_answers_there_are_no_waits(capsys: pytest.CaptureFixture[str]) -> None:
    show(report(figures={}, stages={}, use=None))
    assert capsys.readouterr().out.rstrip().endswith("50%")


def test_the_picture_holds_what_was_answered() -> None:
    drawn = picture(report())
    assert drawn.waits == {"4 talkers": [500]}
    assert drawn.stages == {"a.wav": {"total": 880, "transcribe": 200, "first_audio": 480}, "b.wav": {}}
