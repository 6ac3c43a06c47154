"""What a line looks like, and what it can't do to the terminal that shows it."""

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from simplevoice import logs
from simplevoice.config import LoggingConfig
from simplevoice.logs.queued import loss
from simplevoice.logs.rendering import UNSAFE, stream_handler

HOSTILE = ("\x1b[31m", "\x9b2J", "a\x07b", "\x7f", "\u202egpj", "line\nfeed", "\u2066", "back\x08")


def test_a_loss_is_formatted_as_an_event() -> None:
    line = json.loads(stream_handler(io.StringIO(), LoggingConfig(format="json")).format(loss(7)))
    assert (line["event"], line["count"], line["level"]) == ("log_records_dropped", 7, "warning")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("form", ["json", "console"])
def test_what_a_client_says_cannot_control_the_terminal(hostile: str, form: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    with logs.configure(LoggingConfig(format=form), stream):
        structlog.get_logger("x").warning("refused", text=hostile, nested={"text": [hostile]})
        logging.getLogger("library").warning("bad request: %s", hostile)
        try:
            raise ValueError(hostile)
        except ValueError:
            structlog.get_logger("x").exception("crashed")
    text = stream.getvalue()
    assert not UNSAFE.search(text.replace("\n", ""))
    if form == "json":
        told = [json.loads(line) for line in text.splitlines()]
        assert (told[0]["text"], told[0]["nested"]["text"]) == (hostile, [hostile])
        assert told[2]["exception"][0]["exc_value"] == hostile
    else:
        assert not any(line.startswith("feed") for line in text.splitlines()[:2])


def test_a_line_on_a_terminal_is_short() -> None:
    stream = io.StringIO()
    with logs.configure(LoggingConfig(format="console"), stream):
        structlog.get_logger("simplevoice.models.store").info("weights_missing", model="qwen3-0.6b")
    line = stream.getvalue().rstrip()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d \[info\] weights_missing \[simplevoice\.models\.store\] model=qwen3-0\.6b", line
    )


def test_arabic_is_readable() -> None:
    for form in ("json", "console"):
        stream = io.StringIO()
        with logs.configure(LoggingConfig(format=form), stream):
            structlog.get_logger("x").info("heard", text="مرحبا")
        assert "مرحبا" in stream.getvalue()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file of which systemd says that it is the journal."""
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        yield stream


def test_the_journal_gets_the_priority_of_every_line(journal: Any) -> None:
    with logs.configure(LoggingConfig(level="debug"), journal):
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(structlog.get_logger("x"), level)("told")
    journal.seek(0)
    told = [(line[:3], json.loads(line[3:])["level"]) for line in journal]
    assert told == [("<7>", "debug"), ("<6>", "info"), ("<4>", "warning"), ("<3>", "error"), ("<2>", "critical")]


def test_each_line_of_a_traceback_has_its_priority(journal: Any) -> None:
    with logs.configure(LoggingConfig(format="console"), journal):
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            structlog.get_logger("x").exception("crashed")
    journal.seek(0)
    told = journal.read().splitlines()
    assert len(told) > 3
    assert all(line.startswith("<3>") for line in told)


def test_another_stream_than_the_journal_gets_none(journal: Any, tmp_path: Path) -> None:
    with (tmp_path / "other").open("w+") as stream:
        with logs.configure(LoggingConfig(), stream):
            structlog.get_logger("x").info("told")
        stream.seek(0)
        assert stream.read().startswith("{")
