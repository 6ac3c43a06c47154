"""``simplevoice serve``: what it hands to the server, and how it ends."""

import json
import os
import subprocess
import sys

import pytest
import structlog
from click.testing import CliRunner

from simplevoice.cli import main
from simplevoice.config.sources import Settings
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


@pytest.mark.parametrize(("name", "ours"), [("OPENBLAS_NUM_THREADS", "1"), ("GOMP_SPINCOUNT", "10000")])
def test_how_libraries_use_threads_is_set_unless_the_operator_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, name: str, ours: str
) -> None:
    found: list[str] = []

    def start(settings: Settings) -> int:
        found.append(os.environ[name])
        return 0

    monkeypatch.setattr(server_start, "start", start)
    monkeypatch.setenv(name, "3")
    CliRunner().invoke(main, ["serve"])
    monkeypatch.delenv(name)
    CliRunner().invoke(main, ["serve"])
    assert found == ["3", ours]


def test_the_libraries_are_not_there_before() -> None:
    code = "import sys, simplevoice.cli.serve; sys.exit(bool({'numpy', 'ctranslate2'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)
