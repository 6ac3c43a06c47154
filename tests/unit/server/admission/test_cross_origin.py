"""What browsers are told of who may read an answer, on a real server."""

import pytest

from tests.unit.server.conftest import Start

PATHS = ("/ws/simple-voice-chat/ticket", "/ws/simple-voice-chat/speak")
GOOD, EVIL = "https://good.example", "https://evil.example"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [GOOD, EVIL, "null"])
async def test_any_page_may_ask(daemon: Start, path: str, origin: str) -> None:
    service = await daemon(server_allowed_origins=(GOOD,))
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with service.http.options(path, headers=asks) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
        assert response.headers["Access-Control-Allow-Methods"] == "POST"
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", [EVIL, "null"])
async def test_one_that_is_not_allowed_reads_that_it_is_not(daemon: Start, path: str, origin: str) -> None:
    service = await daemon(server_allowed_origins=(GOOD,))
    async with service.http.post(path, headers={"Origin": origin}, json={"text": "hello"}) as response:
        assert response.status == 403
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert await response.text() == "this origin may not connect\n"
    assert service.fakes.speaker.received == []


@pytest.mark.parametrize("path", PATHS)
async def test_one_that_is_allowed_reads_answers_and_refusals(daemon: Start, path: str) -> None:
    service = await daemon(server_allowed_origins=(GOOD,))
    statuses = set()
    for body in (b'{"text": "hello"}', b"{"):
        async with service.http.post(path, headers={"Origin": GOOD}, data=body) as response:
            statuses.add(response.status)
            assert response.headers["Access-Control-Allow-Origin"] == GOOD
            assert response.headers["Vary"] == "Origin"
            assert response.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert statuses == ({200} if path.endswith("ticket") else {200, 400})


async def test_what_is_no_page_is_told_nothing_of_origins(daemon: Start) -> None:
    service = await daemon()
    async with service.http.post(PATHS[0]) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
