"""``simplevoice serve``: what it hands to the server, and how it ends."""

import json
import os
import subprocess
import sys

import pytest
import structlog
from click.testing import CliRunner

from simplevoice.cli import main
from simplevoice.config_sources import Settings
from simplevoice.server import start as server_start


def test_the_settings_reach_the_server_and_its_number_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []

    def start(settings: Settings) -> int:
        served.append(settings)
        structlog.get_logger("x").info("serving")
        return 1

    monkeypatch.setattr(server_start, "start", start)
    result = CliRunner().invoke(main, ["serve", "--port", "77", "--path-prefix", "/api/v1", "--no-turns-smart-turn"])
    assert result.exit_code == 1
    [settings] = served
    config = settings.config
    assert settings.read_again().config == config
    assert (config.server.port, config.server.path_prefixes, config.turns.smart_turn) == (77, ("/api/v1",), False)
    assert json.loads(result.stderr)["event"] == "serving"
    assert result.stdout == ""


def test_numpy_takes_one_thread_unless_the_operator_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def start(settings: Settings) -> int:
        found.append(os.environ["OPENBLAS_NUM_THREADS"])
        return 0

    monkeypatch.setattr(server_start, "start", start)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    CliRunner().invoke(main, ["serve"])
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    CliRunner().invoke(main, ["serve"])
    assert found == ["3", "1"]


def test_numpy_is_not_there_before() -> None:
    code = "import sys, simplevoice.cli.serve; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
