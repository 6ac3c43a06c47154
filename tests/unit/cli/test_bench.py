"""``simplevoice bench`` as it is typed, with the default models."""

import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from simplevoice.cli import main
from simplevoice.cli.latency_bench import Report as LatencyReport
from simplevoice.cli.load_bench import Report as LoadReport
from simplevoice.cli.turn_bench import Report
from tests.media import DATA


@pytest.mark.models
def test_the_command_measures_a_folder(tmp_path: Path) -> None:
    for name in ("en-LJ042-0094.wav", "en-LJ011-0202.wav"):
        shutil.copy(DATA / name, tmp_path)
    (tmp_path / "notes.txt").write_text("no clip")
    result = CliRunner().invoke(
        main, ["bench", "endpoint", str(tmp_path), "--rules", "silence", "--rules", "smart-turn", "--json"]
    )
    assert result.exit_code == 0, result.output
    reports = msgspec.json.decode(result.stdout, type=dict[str, Report])
    assert list(reports) == ["silence", "smart-turn"]
    for report in reports.values():
        assert [outcome.clip for outcome in report.clips] == ["en-LJ011-0202.wav", "en-LJ042-0094.wav"]
        assert report.summary.split == report.summary.missed == 0


def test_a_folder_without_clips_is_a_failure(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "endpoint", str(tmp_path)])
    assert result.exit_code == 1
    assert "no wav, mp3" in result.output


def latency(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", "latency", *arguments])


@pytest.mark.models
@pytest.mark.timeout(120)
def test_a_daemon_of_its_own_is_measured(tmp_path: Path) -> None:
    shutil.copy(DATA / "en-LJ042-0094.wav", tmp_path)
    result = latency(str(tmp_path), "--reps", "1", "--llm-engine", "echo", "--json")
    assert result.exit_code == 0, result.stderr
    report = msgspec.json.decode(result.stdout, type=LatencyReport)
    assert {role: engine.engine for role, engine in report.machine.engines.items()} == {
        "stt": "whisper",
        "llm": "echo",
        "tts": "espeak",
    }
    [turn] = report.runs[0].turns
    assert turn.outcome == "answered"
    assert turn.audible_ms is not None
    assert turn.answer_ms is not None
    assert turn.answer_ms <= turn.audible_ms


def test_a_running_daemon_has_its_own_settings(tmp_path: Path) -> None:
    result = latency(str(tmp_path), "--url", "ws://127.0.0.1:1", "--stt-model", "tiny")
    assert result.exit_code == 2
    assert "--stt-model is no setting of a daemon that runs already" in result.stderr


def test_no_daemon_is_one_line(tmp_path: Path, unused_tcp_port: int) -> None:
    shutil.copy(DATA / "en-LJ042-0094.wav", tmp_path)
    result = latency(str(tmp_path), "--url", f"ws://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == 1
    assert "no daemon answers" in result.stderr


@pytest.mark.models
@pytest.mark.timeout(120)
def test_load_on_a_daemon_of_its_own_is_measured_and_drawn(tmp_path: Path) -> None:
    shutil.copy(DATA / "en-LJ042-0094.wav", tmp_path)
    arguments = ["--talkers", "2", "--turns", "2", "--llm-engine", "echo", "--json", "--plot", str(tmp_path / "p.svg")]
    result = CliRunner().invoke(main, ["bench", "load", str(tmp_path), *arguments])
    assert result.exit_code == 0, result.stderr
    report = msgspec.json.decode(result.stdout, type=LoadReport)
    assert report.outcomes == {"answered": 4}
    assert report.use is not None
    assert report.use.memory_mib > 100
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")


def test_load_takes_no_settings_of_a_running_daemon(tmp_path: Path) -> None:
    arguments = ["--url", "ws://127.0.0.1:1", "--limits-max-turns", "2"]
    result = CliRunner().invoke(main, ["bench", "load", str(tmp_path), *arguments])
    assert "--limits-max-turns is no setting of a daemon that runs already" in result.stderr
