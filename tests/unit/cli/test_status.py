"""``simplevoice status`` against a real server."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simplevoice.cli import main
from tests.fakes.daemon import STATUS, TOKEN, FakeDaemon


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon().running() as running:
        yield running


def status(url: str, *args: str) -> Result:
    return CliRunner().invoke(main, ["status", "--url", url, *args], env={"COLUMNS": "120"})


def test_everything_is_on_the_screen(daemon: FakeDaemon) -> None:
    result = status(daemon.url)
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "simplevoice 9.9.9 ● degraded up 1 h 2 min, 1 connection"
    assert "stt whisper base cpu ready" in lines
    assert "tts edge, now espeak - - degraded breaker open; no network" in lines
    assert "kitchen simple_kitchen ar female speaking 4 812 ms 1 min 1 s hall" in lines
    assert lines[-1] == "12 turns; answer in 812 ms (median), 1.90 s (95 %); target < 2 seconds"


def test_a_fresh_daemon_has_no_turns_and_no_connections(daemon: FakeDaemon) -> None:
    unknown = {"p50": None, "p95": None}
    performance = STATUS["performance"] | {"turns": 0, "response_time_ms": unknown, "first_audio_ms": unknown}
    daemon.status = STATUS | {"connections": [], "active_connections": 0, "performance": performance}
    result = status(daemon.url)
    assert result.stdout.rstrip().endswith("no turn yet")
    assert "0 connections" in result.stdout


def test_json_is_what_the_daemon_said(daemon: FakeDaemon) -> None:
    assert json.loads(status(daemon.url, "--json").stdout) == STATUS


def test_a_token_is_presented(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.token = TOKEN
    assert "wants a valid token" in status(daemon.url).stderr
    file = tmp_path / "token"
    file.write_text(TOKEN)
    assert status(daemon.url, "--token-file", str(file)).exit_code == 0


def test_no_daemon_is_exit_code_1(unused_tcp_port: int) -> None:
    result = status(f"ws://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no daemon answers at http://127.0.0.1:")


def test_another_servers_answer_is_told(daemon: FakeDaemon) -> None:
    daemon.status = {"other": 1}
    result = status(daemon.url)
    assert result.exit_code == 1
    assert "is not the status of a simplevoice daemon" in result.stderr


def test_watch_prints_lines_until_interrupted(daemon: FakeDaemon) -> None:
    command = [sys.executable, "-m", "simplevoice", "status", "--url", daemon.url]
    with subprocess.Popen(
        [*command, "--watch", "--json", "--interval", "0.1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert [json.loads(line) for line in lines] == [STATUS] * 3
    assert (process.returncode, stderr) == (0, b"")
