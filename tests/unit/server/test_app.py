from simplevoice.protocol import ErrorMessage
from tests.unit.server.conftest import Start


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
