import asyncio
from typing import Any

import pytest

from simplevoice.errors import ErrorCode
from simplevoice.protocol import (
    AudioEnd,
    AudioStart,
    ErrorMessage,
    GoingAway,
    ProcessingStarted,
    TextMessage,
    VoiceResponse,
)
from simplevoice.server import drain as draining_module
from simplevoice.server import websocket
from simplevoice.server.drain import close_all, drain
from simplevoice.server.keys import LIFECYCLE, REGISTRY
from tests.unit.server.conftest import Line, Start


async def test_draining_lets_a_turn_end_and_then_closes_1001(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.gate.shut()
    line = await service.connect()
    await line.next()
    await line.say(TextMessage(text="hello"))
    await service.fakes.model.gate.reached.wait()
    draining = asyncio.create_task(drain(service.app))
    assert isinstance(await line.next(), ProcessingStarted)
    notice = await line.next()
    assert isinstance(notice, GoingAway)
    assert notice.deadline_seconds == 2.0
    service.fakes.model.gate.opened.set()
    assert isinstance(await line.next(), VoiceResponse)
    assert await line.closed() == (1001, "going away")
    await draining


async def test_a_turn_that_takes_longer_than_the_deadline_is_cut(daemon: Start) -> None:
    service = await daemon(limits_drain_seconds=0.05)
    service.fakes.model.gate.shut()
    line = await service.connect()
    await line.next()
    await line.say(TextMessage(text="hello"))
    await service.fakes.model.gate.reached.wait()
    draining = asyncio.create_task(drain(service.app))
    assert (await line.closed())[0] == 1001
    await draining
    assert service.fakes.running == 0


async def test_nobody_is_let_in_while_draining(daemon: Start) -> None:
    service = await daemon()
    await drain(service.app)
    async with service.http.get("/ws/simple-voice-chat?connection_id=c") as response:
        assert response.status == 503
        assert response.headers["Retry-After"]


async def test_who_is_halfway_in_when_the_drain_begins_is_turned_away(
    daemon: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await daemon()
    app = service.app
    opened = websocket._open

    def open_while_the_drain_begins(*args: Any) -> Any:
        app[LIFECYCLE].phase = "draining"
        return opened(*args)

    monkeypatch.setattr(websocket, "_open", open_while_the_drain_begins)
    line = await service.connect()
    told = await line.next()
    assert isinstance(told, ErrorMessage)
    assert told.error_code is ErrorCode.SERVER_BUSY
    assert (await line.closed())[0] == 1013
    assert len(app[REGISTRY]) == 0


async def until_told(line: Line) -> list[str]:
    """Read up to the announcement of the drain; gives the types of what came before."""
    types = []
    while not isinstance(message := await line.next(), GoingAway):
        types.append(str(message.__struct_config__.tag))
    return types


async def test_utterances_that_wait_are_answered_too(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.gate.shut()
    line = await service.connect()
    for text in ("one", "two", "three"):
        await line.say(TextMessage(text=text))
    await service.fakes.model.gate.reached.wait()
    draining = asyncio.create_task(drain(service.app))
    await until_told(line)
    service.fakes.model.gate.opened.set()
    answers = 0
    while answers < 3:
        answers += isinstance(await line.next(), VoiceResponse)
    assert await line.closed() == (1001, "going away")
    await draining


async def test_what_was_sent_before_the_client_heard_of_it_is_answered(daemon: Start) -> None:
    service = await daemon()
    line = await service.connect()
    draining = asyncio.create_task(drain(service.app))
    await until_told(line)
    await line.say(TextMessage(text="hello"))
    assert isinstance(await line.next(), ProcessingStarted)
    assert isinstance(await line.next(), VoiceResponse)
    assert await line.closed() == (1001, "going away")
    await draining


async def test_push_to_talk_is_waited_for(daemon: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining_module, "GRACE_SECONDS", 0.0)
    service = await daemon()
    line = await service.connect()
    await line.say(AudioStart(format="pcm16", sample_rate=16_000))
    await line.say(bytes(3200))
    while not isinstance(await line.next(), ErrorMessage):
        await line.say("no message, answered when all before it was taken")
    draining = asyncio.create_task(drain(service.app))
    await until_told(line)
    await line.say(AudioEnd())
    while not isinstance(await line.next(), VoiceResponse):
        pass
    assert await line.closed() == (1001, "going away")
    await draining


async def test_whoever_is_done_leaves_before_the_others(daemon: Start) -> None:
    service = await daemon()
    service.fakes.model.gate.shut()
    busy, idle = await service.connect(connection_id="busy"), await service.connect(connection_id="idle")
    await busy.say(TextMessage(text="hello"))
    await service.fakes.model.gate.reached.wait()
    draining = asyncio.create_task(drain(service.app))
    assert await idle.closed() == (1001, "going away")
    assert "busy" in {connection.id for connection in service.app[REGISTRY]}
    service.fakes.model.gate.opened.set()
    await until_told(busy)
    assert isinstance(await busy.next(), VoiceResponse)
    assert (await busy.closed())[0] == 1001
    await draining


async def test_who_does_not_answer_to_the_close_is_left_behind(daemon: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining_module, "CLOSE_SECONDS", 0.01)
    service = await daemon()
    line = await service.connect()
    await line.next()
    [connection] = service.app[REGISTRY]
    never = asyncio.Event()

    async def close(*_: Any) -> None:
        await never.wait()

    monkeypatch.setattr(type(connection), "close", close)
    await close_all(service.app)
    monkeypatch.undo()
    await line.socket.close()
