"""``simplevoice check``: what it prints, and how it ends."""

import json

import pytest
from click.testing import CliRunner

from simplevoice.cli import checks, main
from simplevoice.cli.checks import Checks, Finding
from simplevoice.config import Config

GOOD = Finding("one", "ok", "works")
MEH = Finding("two", "warning", "limps", "Rest.")
BAD = Finding("three", "problem", "broken", "Repair it.")


@pytest.mark.parametrize(
    ("findings", "code", "summary"),
    [([GOOD], 0, "everything works"), ([GOOD, MEH], 0, "1 warning"), ([BAD, MEH, BAD], 1, "2 problems, 1 warning")],
)
def test_the_command_prints_and_ends_with_the_right_code(
    monkeypatch: pytest.MonkeyPatch, findings: list[Finding], code: int, summary: str
) -> None:
    monkeypatch.setattr(checks, "run_checks", lambda *_: findings)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == summary
    lines = {"ok": "ok: one: works", "warning": "warning: two: limps -> Rest.", "problem": "problem: three: broken ->"}
    assert all(lines[finding.level] in result.stdout for finding in findings)
    listed = json.loads(CliRunner().invoke(main, ["check", "--json"]).stdout)
    assert [entry["level"] for entry in listed] == [finding.level for finding in findings]


@pytest.mark.parametrize(("args", "asked"), [([], True), (["--quick"], False)])
def test_quick_leaves_the_network_out(monkeypatch: pytest.MonkeyPatch, args: list[str], asked: bool) -> None:
    looked_at: set[str] = set()

    def run_checks(config: Config, chosen: Checks) -> list[Finding]:
        looked_at.update(chosen)
        return [GOOD]

    monkeypatch.setattr(checks, "run_checks", run_checks)
    assert CliRunner().invoke(main, ["check", *args]).exit_code == 0
    assert ({"Edge", "port", "recognizer"} <= looked_at) is asked
    assert {"software", "CUDA", "weights", "language model", "local voice", "folders"} <= looked_at


def test_wrong_settings_have_a_code_of_their_own() -> None:
    assert CliRunner().invoke(main, ["check"], env={"SIMPLEVOICE_PORT": "many"}).exit_code == 2
