"""What ``talk`` does, without its options."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from simplevoice import protocol
from simplevoice.cli.talk import Plan, Utterance
from simplevoice.cli.talking import talk_through
from simplevoice.cli.target import Target
from simplevoice.errors import ErrorCode
from tests.fakes.daemon import FakeDaemon, voice_response


def plan(daemon: FakeDaemon, **changes: Any) -> Plan:
    facts: dict[str, Any] = {
        "daemon": Target(daemon.url),
        "opening": {"connection_id": "me"},
        "binary": False,
        "turn_seconds": 10.0,
        "save": False,
        "target": None,
        "player": None,
        "raw": False,
    }
    return Plan(**facts | changes)


async def test_every_turn_answered_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon().running() as daemon:
        assert await talk_through(plan(daemon), [Utterance("one", text="one"), Utterance("two", text="two")]) == 0
        assert [m.text for m in daemon.received if isinstance(m, protocol.TextMessage)] == ["one", "two"]
    assert capsys.readouterr().out.count("heard: ") == 2


async def test_one_turn_that_fails_is_exit_code_1_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    failure = protocol.ErrorMessage(error_code=ErrorCode.REPLY_FAILED, message="no reply", retry_suggested=True)
    answers = iter([failure, voice_response()])
    with FakeDaemon(lambda _: [next(answers)]).running() as daemon:
        assert await talk_through(plan(daemon), [Utterance("one", text="one"), Utterance("two", text="two")]) == 1
    out = capsys.readouterr().out
    assert "no reply" in out
    assert "heard: " in out


async def test_a_known_container_goes_as_json_and_an_unknown_one_as_binary(tmp_path: Path) -> None:
    known, unknown = tmp_path / "a.wav", tmp_path / "b"
    known.write_bytes(b"known")
    unknown.write_bytes(b"unknown")
    with FakeDaemon().running() as daemon:
        utterances = [Utterance("a", path=known), Utterance("b", path=unknown)]
        assert await talk_through(plan(daemon), utterances) == 0
        assert daemon.received == [protocol.AudioMessage(audio_data=b"known", format="wav"), b"unknown"]


async def test_an_empty_recording_is_not_sent() -> None:
    with FakeDaemon().running() as daemon:
        with pytest.raises(click.ClickException, match="stdin is empty"):
            await talk_through(plan(daemon), [Utterance("stdin", audio=b"")])
        assert daemon.received == []


async def test_the_answer_is_saved_where_it_was_told(tmp_path: Path) -> None:
    target = tmp_path / "answer.mp3"
    with FakeDaemon().running() as daemon:
        await talk_through(plan(daemon, save=True, target=target), [Utterance("one", text="one")])
    assert target.read_bytes()


async def test_raw_prints_the_messages_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon().running() as daemon:
        await talk_through(plan(daemon, raw=True), [Utterance("one", text="one")])
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert kinds[0] == "connection_established"
    assert kinds[-1] == "voice_response"
