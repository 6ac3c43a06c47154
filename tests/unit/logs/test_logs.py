"""Logs: one JSON object a line, nothing that blocks, nothing that leaks."""

import io
import json
import logging
import re
import threading
from typing import Any

import pytest
import structlog

from simplevoice import logs
from simplevoice.config import LoggingConfig

JSON = LoggingConfig(format="json")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_line_with_time_level_and_logger() -> None:
    stream = io.StringIO()
    with logs.configure(JSON, stream):
        structlog.get_logger("simplevoice.x").info("turn_done", turn_id="t1", words="مرحبا")
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {"level": "info", "logger": "simplevoice.x", "event": "turn_done", "turn_id": "t1", "words": "مرحبا"}
    assert "مرحبا" in stream.getvalue()


def test_records_of_the_standard_library_look_the_same() -> None:
    stream = io.StringIO()
    with logs.configure(JSON, stream):
        logging.getLogger("library").warning("%s of %d", "one", 2)
    (line,) = lines(stream)
    assert (line["level"], line["logger"], line["event"]) == ("warning", "library", "one of 2")


def test_context_of_the_caller_is_told() -> None:
    stream = io.StringIO()
    with logs.configure(JSON, stream), structlog.contextvars.bound_contextvars(connection_id="c1"):
        structlog.get_logger("x").info("hello")
    assert lines(stream)[0]["connection_id"] == "c1"


def fail() -> None:
    password = "hunter2"  # noqa: F841 - a local variable that must not show
    raise RuntimeError("broken")


@pytest.mark.parametrize("logger", [structlog.get_logger("x"), logging.getLogger("x")], ids=["structlog", "stdlib"])
@pytest.mark.parametrize("format_", ["json", "console"])
def test_exceptions_are_told_without_local_variables(logger: Any, format_: Any) -> None:
    stream = io.StringIO()
    with logs.configure(LoggingConfig(format=format_), stream):
        try:
            fail()
        except RuntimeError:
            logger.exception("turn_failed")
    text = stream.getvalue()
    assert "broken" in text
    assert "hunter2" not in text
    if format_ == "json":
        (raised,) = lines(stream)[0]["exception"]
        assert (raised["exc_type"], raised["exc_value"], raised["frames"][-1]["name"]) == (
            "RuntimeError",
            "broken",
            "fail",
        )
    else:
        assert text.count("Traceback") == 1


def test_the_level_holds_for_both() -> None:
    stream = io.StringIO()
    with logs.configure(LoggingConfig(format="json", level="warning"), stream):
        for logger in (structlog.get_logger("x"), logging.getLogger("x")):
            logger.info("low")
            logger.warning("high")
    assert [line["event"] for line in lines(stream)] == ["high", "high"]


@pytest.mark.parametrize("name", ["httpx", "httpx2", "httpcore2.http11", "openai", "faster_whisper", "huggingface_hub"])
def test_noisy_libraries_tell_only_warnings(name: str) -> None:
    stream = io.StringIO()
    with logs.configure(LoggingConfig(format="json", level="debug"), stream):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
        logging.getLogger("aiohttp.access").error("GET /")
    assert [line["event"] for line in lines(stream)] == ["trouble"]


def test_auto_is_json_off_a_terminal_and_coloured_lines_on_one() -> None:
    for stream, coloured in ((io.StringIO(), False), (Terminal(), True)):
        with logs.configure(LoggingConfig(), stream):
            structlog.get_logger("x").info("hello")
        assert ("\x1b[" in stream.getvalue()) is coloured
        assert stream.getvalue().startswith("{") is not coloured


def test_configure_leaves_things_as_they_were() -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:], logging.getLogger("httpx").level, structlog.get_config()
    with logs.configure(JSON, io.StringIO()):
        assert root.handlers != before[1]
    assert (root.level, root.handlers[:], logging.getLogger("httpx").level, structlog.get_config()) == before
    assert not any(thread.name == "log-writer" for thread in threading.enumerate())


def test_a_module_has_a_level_of_its_own() -> None:
    stream = io.StringIO()
    config = LoggingConfig(format="json", level="warning", levels=("simplevoice.tts=debug", "httpx=info"))
    with logs.configure(config, stream):
        for name in ("simplevoice.tts.edge", "simplevoice.stt", "httpx", "httpcore"):
            structlog.get_logger(name).debug("details")
            structlog.get_logger(name).info("news")
    assert [(line["logger"], line["event"]) for line in lines(stream)] == [
        ("simplevoice.tts.edge", "details"),
        ("simplevoice.tts.edge", "news"),
        ("httpx", "news"),
    ]


def test_levels_change_while_the_daemon_runs() -> None:
    stream = io.StringIO()
    log = structlog.get_logger("simplevoice.tts")
    with logs.configure(LoggingConfig(format="json", levels=("simplevoice.tts=debug",)), stream):
        log.debug("first")
        logs.set_levels(LoggingConfig(format="json", level="error"))
        log.warning("second")
        logs.set_levels(LoggingConfig(format="json", level="debug"))
        log.debug("third")
    assert [line["event"] for line in lines(stream)] == ["first", "third"]
    assert logging.getLogger("simplevoice.tts").level == logging.NOTSET
