"""How checks are run."""

import asyncio
import threading

import pytest

from simplevoice.cli import checks
from simplevoice.cli.checks import Finding
from simplevoice.cli.checks_machine import check_folders
from simplevoice.config import Config


def test_a_check_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    async def hang(_config: Config) -> list[Finding]:
        await asyncio.to_thread(never.wait, 60)
        return []

    monkeypatch.setattr(checks, "CHECK_SECONDS", 0.05)
    hung, *others = checks.run_checks(Config(), {"disk": hang, "folders": check_folders})
    never.set()
    assert (hung.subject, hung.level, hung.says) == ("disk", "warning", "no result within 0.05 s")
    assert [f.subject for f in others] == ["folders", "folders"]
