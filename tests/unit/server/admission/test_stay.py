import asyncio

from simplevoice.protocol import GoingAway, ProcessingStarted, TextMessage, VoiceResponse
from tests.unit.server.conftest import Start


async def test_the_first_message_tells_how_long_one_may_stay(daemon: Start) -> None:
    line = await (await daemon(limits_max_session_seconds=3600.0)).connect()
    hello = await line.next()
    assert hello.config.limits.max_session_seconds == 3600.0  # type: ignore[union-attr]  # it is connection_established


async def test_a_connection_ends_with_its_time(daemon: Start) -> None:
    line = await (await daemon(limits_max_session_seconds=0.01)).connect()
    await line.next()
    notice = await line.next()
    assert isinstance(notice, GoingAway)
    assert notice.deadline_seconds == 2.0
    assert await line.closed() == (1008, "session time limit")


async def test_a_turn_in_progress_may_end(daemon: Start) -> None:
    service = await daemon(limits_max_session_seconds=0.2)
    service.fakes.model.gate.shut()
    line = await service.connect()
    await line.next()
    await line.say(TextMessage(text="hello"))
    assert isinstance(await line.next(), ProcessingStarted)
    assert isinstance(await line.next(), GoingAway)
    service.fakes.model.gate.opened.set()
    assert isinstance(await line.next(), VoiceResponse)
    assert await line.closed() == (1008, "session time limit")


async def test_a_turn_that_takes_too_long_is_cut(daemon: Start) -> None:
    service = await daemon(limits_max_session_seconds=0.2, limits_drain_seconds=0.05)
    service.fakes.model.gate.shut()
    line = await service.connect()
    await line.next()
    await line.say(TextMessage(text="hello"))
    assert await line.closed() == (1008, "session time limit")
    while (await service.status())["active_connections"]:
        await asyncio.sleep(0.01)
    assert service.fakes.running == 0
