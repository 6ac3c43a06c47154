import asyncio
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from simplevoice import llm, logs, tts
from simplevoice.config.sources import Settings, load
from simplevoice.config.table import SETTINGS
from simplevoice.errors import ModelError
from simplevoice.protocol import ErrorMessage, TextMessage, VoiceResponse
from simplevoice.server.keys import LIVE, SERVICE, SESSIONS
from simplevoice.server.reload import reload
from tests.fakes.engines import FakeModel, FakeSpeaker
from tests.unit.server.conftest import Daemon, Line, Start

Write = Callable[[str], Callable[[], Settings]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the configuration file; gives what reads it."""
    file = tmp_path / "simplevoice.toml"

    def write(text: str) -> Callable[[], Settings]:
        file.write_text(text)
        return partial(load, file, environ={}, system_file=tmp_path / "none")

    return write


@pytest.fixture(autouse=True)
def levels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The levels that were set, which else hold for all tests."""
    levels: list[str] = []
    monkeypatch.setattr(logs, "set_levels", lambda config: levels.append(config.level))
    return levels


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


def events(logged: list[Any]) -> dict[str, Any]:
    return {entry["event"]: entry for entry in logged}


async def begun(daemon: Start, write: Write) -> Daemon:
    """A daemon with the settings of an empty file."""
    service = await daemon()
    service.app[LIVE].config = (await asyncio.to_thread(write(""))).config
    return service


async def ask(line: Line, text: str = "hello") -> VoiceResponse:
    await line.say(TextMessage(text=text))
    while not isinstance(answer := await line.next(), VoiceResponse):
        assert not isinstance(answer, ErrorMessage)
    return answer


async def test_limits_origins_and_levels_hold_at_once_and_connections_stay(
    daemon: Start, write: Write, levels: list[str], logged: list[Any]
) -> None:
    service = await begun(daemon, write)
    line = await service.connect()
    limits = "[limits]\nmax_connections = 1\nsessions = 7\nmax_turns = 3\n"
    await reload(service.app, write(f'{limits}[logging]\nlevel = "debug"\n'))
    assert service.app[SESSIONS].limits.sessions == 7
    assert service.app[SERVICE].turnstile.places == 3
    assert levels == ["debug"]
    async with service.http.get("/ws/simple-voice-chat?connection_id=d") as refused:
        assert refused.status == 503
    assert await ask(line)
    changed = events(logged)["settings_reloaded"]["changed"]
    assert changed == ["limits.max_connections", "limits.max_turns", "limits.sessions", "logging.level"]


async def test_a_token_file_that_is_wrong_is_a_reason_to_change_nothing(
    daemon: Start, write: Write, tmp_path: Path, logged: list[Any]
) -> None:
    service = await begun(daemon, write)
    before = service.app[LIVE].config
    await reload(service.app, write(f'[server]\nauth_token_file = "{tmp_path}/none"\n[limits]\nsessions = 7\n'))
    assert service.app[LIVE].config is before
    [problem] = events(logged)["settings_refused"]["problems"]
    assert "none: can't be read" in problem


async def test_when_anything_is_wrong_nothing_changes_and_the_log_says_everything(
    daemon: Start, write: Write, levels: list[str], logged: list[Any]
) -> None:
    service = await begun(daemon, write)
    before = service.app[LIVE].config
    await reload(
        service.app, write('[limits]\nmax_connections = 0\n[llm]\ntemperatur = 1\n[logging]\nlevel = "debug"\n')
    )
    assert service.app[LIVE].config is before
    assert levels == []
    problems = events(logged)["settings_refused"]["problems"]
    assert len(problems) == 2
    assert "limits.max_connections" in problems[0] + problems[1]
    assert "llm.temperatur" in problems[0] + problems[1]


async def test_what_needs_a_restart_is_named_and_stays(daemon: Start, write: Write, logged: list[Any]) -> None:
    service = await begun(daemon, write)
    await reload(service.app, write('[server]\nport = 9\n[stt]\nmodel = "large-v3"\n[limits]\ndrain_seconds = 3\n'))
    config = service.app[LIVE].config
    assert (config.server.port, config.stt.model, config.limits.drain_seconds) == (8000, "base", 3.0)
    assert events(logged)["settings_reloaded"]["changed"] == ["limits.drain_seconds"]
    assert events(logged)["restart_needed"]["settings"] == ["server.port", "stt.model"]


async def test_another_model_answers_from_the_next_turn_on_and_the_old_one_ends_its_own(
    daemon: Start, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await begun(daemon, write)
    old, new = service.fakes.model, FakeModel(["A new answer. "])
    monkeypatch.setattr(llm, "create", lambda *_: new)
    line = await service.connect()
    old.gate.shut()
    await line.say(TextMessage(text="hello"))
    await line.say(TextMessage(text="and then?"))
    await old.gate.reached.wait()
    await reload(service.app, write('[llm]\nengine = "echo"\ninstructions = "You are new."\n'))
    assert new.calls == ["load", "warm_up"]
    assert "close" not in old.calls
    old.gate.opened.set()
    answers: list[VoiceResponse] = []
    while len(answers) < 2:
        if isinstance(message := await line.next(), VoiceResponse):
            answers.append(message)
    assert [answer.response_text for answer in answers] == ["It is noon. Time to eat.", "A new answer."]
    assert "You are new." in new.received[0][0].content
    assert "You are new." not in old.received[0][0].content
    while "close" not in old.calls:
        await asyncio.sleep(0)


async def test_other_voices_speak_from_the_next_turn_on(
    daemon: Start, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await begun(daemon, write)
    new = FakeSpeaker()
    monkeypatch.setattr(tts, "create", lambda *_: new)
    line = await service.connect()
    await ask(line)
    await reload(service.app, write('[voices]\nen_female = "en-US-AriaNeural"\n'))
    await ask(line)
    assert len(new.received) == len(service.fakes.speaker.received)
    assert service.fakes.speaker.calls[-1] == "close"


async def test_a_model_that_does_not_load_changes_nothing(
    daemon: Start, write: Write, monkeypatch: pytest.MonkeyPatch, logged: list[Any], levels: list[str]
) -> None:
    service = await begun(daemon, write)
    before = service.app[LIVE].config
    broken, speaker = FakeModel(), FakeSpeaker()
    broken.error = ModelError("no such file: my.gguf")
    monkeypatch.setattr(llm, "create", lambda *_: broken)
    monkeypatch.setattr(tts, "create", lambda *_: speaker)
    await reload(service.app, write('[llm]\nmodel = "my.gguf"\n[voices]\nen_male = "x"\n[logging]\nlevel = "error"\n'))
    assert service.app[LIVE].config is before
    assert events(logged)["settings_refused"]["problems"] == ["no such file: my.gguf"]
    assert broken.calls[-1] == speaker.calls[-1] == "close"
    assert levels == []
    assert (await ask(await service.connect())).response_text == "It is noon. Time to eat."


async def test_newcomers_do_not_wait_for_a_model_that_loads(
    daemon: Start, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await begun(daemon, write)
    loading, loaded = asyncio.Event(), asyncio.Event()

    class SlowModel(FakeModel):
        async def load(self) -> None:
            loading.set()
            await loaded.wait()
            await super().load()

    slow = SlowModel()
    monkeypatch.setattr(llm, "create", lambda *_: slow)
    reloading = asyncio.create_task(reload(service.app, write("[llm]\nmax_tokens = 20\n")))
    await loading.wait()
    assert await ask(await service.connect())
    loaded.set()
    await reloading
    assert slow.received == []
    assert service.app[SERVICE].engines.model is slow


async def test_a_stop_meanwhile_leaves_no_engine_behind(
    daemon: Start, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await begun(daemon, write)
    loading = asyncio.Event()

    class EndlessModel(FakeModel):
        async def load(self) -> None:
            loading.set()
            await asyncio.Event().wait()

    endless = EndlessModel()
    monkeypatch.setattr(llm, "create", lambda *_: endless)
    reloading = asyncio.create_task(reload(service.app, write("[llm]\nmax_tokens = 20\n")))
    await loading.wait()
    reloading.cancel()
    await asyncio.wait([reloading])
    assert endless.calls == ["close"]


async def test_a_failure_nobody_thought_of_is_logged_and_the_daemon_goes_on(
    daemon: Start, write: Write, logged: list[Any]
) -> None:
    service = await begun(daemon, write)

    def read_again() -> Settings:
        raise ZeroDivisionError

    await reload(service.app, read_again)
    assert "reload_crashed" in events(logged)


async def test_systemd_is_told(daemon: Start, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await begun(daemon, write)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        await reload(service.app, write("wrong ="))
        begin, moment = systemd.recv(100).decode().splitlines()
        assert begin == "RELOADING=1"
        assert moment.removeprefix("MONOTONIC_USEC=").isdigit()
        assert systemd.recv(100) == b"READY=1"


def test_every_setting_is_either_reloaded_or_named() -> None:
    needing = {setting.key for setting in SETTINGS.values() if setting.needs_restart}
    assert {"server.host", "server.port", "stt.engine", "models.dir", "logging.format"} <= needing
    assert (
        not {"server.auth_token_file", "limits.max_connections", "llm.model", "voices.ar_male", "logging.level"}
        & needing
    )
