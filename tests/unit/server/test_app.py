import asyncio
from typing import Any

import pytest

from simplevoice.errors import ErrorCode
from simplevoice.protocol import ErrorMessage, GoingAway, ProcessingStarted, TextMessage, VoiceResponse
from simplevoice.server import websocket
from simplevoice.server.app import drain
from simplevoice.server.keys import LIFECYCLE, REGISTRY
from tests.unit.server.conftest import Start


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


async def test_an_http_request_for_the_conversation_is_no_conversation(daemon: Start) -> None:
    service = await daemon()
    async with service.http.get("/ws/simple-voice-chat?connection_id=c") as response:
        assert response.status == 400
    assert (await service.status())["active_connections"] == 0


async def test_the_engines_are_closed_with_the_application(daemon: Start) -> None:
    service = await daemon()
    line = await service.connect()
    assert not isinstance(await line.next(), ErrorMessage)
    await service.http.close()
    assert service.fakes.model.calls[-1] == "close"


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
