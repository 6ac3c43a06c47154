from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from tests.unit.server.conftest import Daemon, Start


async def refusal(service: Daemon, *, headers: dict[str, str] | None = None, **query: str) -> WSServerHandshakeError:
    with pytest.raises(WSServerHandshakeError) as refused:
        await service.connect(headers=headers, **query)
    return refused.value


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({}, {"token": "wrong-token"}),
        ({"Authorization": "Bearer wrong-token"}, {}),
        ({"Authorization": "Basic open-sesame"}, {}),
        ({"Authorization": "Bearer"}, {"token": ""}),
    ],
)
async def test_without_a_valid_token_401(daemon: Start, headers: dict[str, str], query: dict[str, Any]) -> None:
    service = await daemon(server_tokens=("open-sesame",))
    refused = await refusal(service, headers=headers, **query)
    assert refused.status == 401


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": "Bearer open-sesame"}, {}),
        ({"authorization": "bearer other-word"}, {}),
        ({}, {"token": "open-sesame"}),
    ],
)
async def test_with_a_valid_token(daemon: Start, headers: dict[str, str], query: dict[str, Any]) -> None:
    service = await daemon(server_tokens=("open-sesame", "other-word"))
    line = await service.connect(headers=headers, **query)
    assert (await line.next()).timestamp > 0


async def test_a_page_of_another_site_may_not_connect(daemon: Start) -> None:
    service = await daemon()
    refused = await refusal(service, headers={"Origin": "https://evil.example"})
    assert refused.status == 403
    refused = await refusal(service, headers={"Origin": "null"})
    assert refused.status == 403


async def test_own_pages_and_configured_origins_may(daemon: Start) -> None:
    service = await daemon(server_allowed_origins=("https://good.example",))
    own = f"http://{service.http.host}:{service.http.port}"
    for n, origin in enumerate((own, "https://good.example")):
        line = await service.connect(connection_id=f"c{n}", headers={"Origin": origin})
        await line.next()


async def test_any_origin_may_where_the_operator_says_so(daemon: Start) -> None:
    service = await daemon(server_allowed_origins=("*",))
    line = await service.connect(headers={"Origin": "https://anything.example"})
    await line.next()


async def test_at_capacity_503_but_ones_own_connection_can_be_taken_over(daemon: Start) -> None:
    service = await daemon(limits_max_connections=1)
    first = await service.connect()
    await first.next()
    refused = await refusal(service, connection_id="second")
    assert refused.status == 503
    assert refused.headers is not None
    assert refused.headers["Retry-After"] == "5"
    again = await service.connect()
    await again.next()


async def test_while_starting_503(daemon: Start) -> None:
    refused = await refusal(await daemon(loaded=False))
    assert refused.status == 503
