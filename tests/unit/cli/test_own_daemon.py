"""A daemon for a measurement: its settings, what is told when it doesn't start, and that it ends."""

import asyncio
import sys
from pathlib import Path

import click
import pytest

from simplevoice.cli import own_daemon as module
from simplevoice.cli.own_daemon import as_variables, own_daemon
from simplevoice.config.sources import load

NOWHERE = Path("/nowhere/simplevoice.toml")


def test_settings_are_handed_on_as_variables() -> None:
    flags = {
        "server.path_prefixes": ("/a", "/b"),
        "stt.api_key": "a-secret",
        "stt.base_url": "http://127.0.0.1:9",
        "stt.engine": "openai",
        "turns.smart_turn": False,
        "llm.temperature": "0.5",
        "llm.model": "",
        "llm.fallbacks": '[{"base_url": "http://127.0.0.1:9", "api_key": "another", "max_tokens": 9}]',
    }
    settings = load(flags=flags, environ={}, system_file=NOWHERE)
    variables = as_variables(settings)
    assert variables["SIMPLEVOICE_PATH_PREFIXES"] == "/a,/b"
    assert variables["SIMPLEVOICE_TURNS_SMART_TURN"] == "false"
    assert len(variables) == len(flags)
    assert load(environ=variables, system_file=NOWHERE).config == settings.config


async def test_wrong_usage_is_told_in_the_daemons_words() -> None:
    with pytest.raises(click.ClickException, match="did not start: No such option '--nonsense'"):
        async with own_daemon(load(environ={}, system_file=NOWHERE), "--nonsense"):
            pass


async def test_engines_that_do_not_load_are_told(tmp_path: Path) -> None:
    flags = {"models.dir": str(tmp_path), "models.offline": True}
    with pytest.raises(click.ClickException, match=r"did not start: cannot_start: \S+ is not in "):
        async with own_daemon(load(flags=flags, environ={}, system_file=NOWHERE)):
            pass


async def test_one_that_never_is_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.01)
    with pytest.raises(click.ClickException, match=r"it was not ready within 0\.01 s"):
        async with own_daemon(load(environ={}, system_file=NOWHERE)):
            pass


async def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", deaf, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    await module.stop(process)
    assert process.returncode == -9
