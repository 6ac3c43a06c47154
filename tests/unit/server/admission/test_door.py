"""Every rule of the door, on a real server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from multidict import CIMultiDict

from simplevoice.protocol import ErrorMessage, Ping, Pong
from simplevoice.server.drain import drain
from simplevoice.server.keys import LIVE, PLACES
from tests.fakes.client import with_changes
from tests.unit.server.conftest import KITCHEN, WEB, Daemon, Line, Start

Headers = dict[str, str]
BEARER = {"Authorization": f"Bearer {KITCHEN}"}


async def refusal(service: Daemon, *, headers: Any = None, **query: str) -> WSServerHandshakeError:
    with pytest.raises(WSServerHandshakeError) as refused:
        await service.connect(headers=headers, **query)
    return refused.value


async def welcome(service: Daemon, *, headers: Any = None, **query: str) -> Line:
    line = await service.connect(headers=headers, **query)
    assert not isinstance(await line.next(), ErrorMessage)
    return line


async def only_connection(service: Daemon) -> dict[str, Any]:
    async with service.http.get("/ws/simple-voice-chat/status", headers=BEARER) as response:
        (connection,) = (await response.json())["connections"]
    found: dict[str, Any] = connection
    return found


async def reload(service: Daemon, section: str, **changes: Any) -> None:
    live = service.app[LIVE]
    await live.replace(with_changes(live.config, section, **changes))


# Tokens


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({"Authorization": f"Bearer {KITCHEN}x"}, {}),
        ({"Authorization": f"Basic {KITCHEN}"}, {}),
        ({"Authorization": "Bearer"}, {}),
        ({"Authorization": f"Bearer kitchen:{KITCHEN}"}, {}),
        ({"Authorization": "Bearer wrong-0123456789", "Sec-WebSocket-Protocol": f"simplevoice.token.{KITCHEN}"}, {}),
        ({"Sec-WebSocket-Protocol": "simplevoice, simplevoice.token.wrong-0123456789"}, {}),
        ({"Sec-WebSocket-Protocol": f"simplevoice.token.{KITCHEN.upper()}"}, {}),
        ({}, {"token": KITCHEN}),
        ({}, {"ticket": "made-up"}),
        ({}, {"ticket": KITCHEN}),
    ],
)
async def test_without_a_valid_token_401(daemon: Start, token_file: Path, headers: Headers, query: Headers) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    refused = await refusal(service, headers=headers, **query)
    assert refused.status == 401
    assert refused.headers is not None
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert len(service.app[PLACES]) == 0


@pytest.mark.parametrize(
    ("headers", "selected"),
    [
        (BEARER, None),
        ({"Sec-WebSocket-Protocol": f"simplevoice, simplevoice.token.{KITCHEN}"}, "simplevoice"),
        ({"Sec-WebSocket-Protocol": f"simplevoice.token.{KITCHEN},simplevoice"}, "simplevoice"),
        ({"Sec-WebSocket-Protocol": f"simplevoice.token.{KITCHEN}"}, f"simplevoice.token.{KITCHEN}"),
    ],
)
async def test_with_a_valid_token(daemon: Start, token_file: Path, headers: Headers, selected: str | None) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    line = await welcome(service, headers=headers)
    assert line.socket._response.headers.get("Sec-WebSocket-Protocol") == selected
    assert (await only_connection(service))["client"] == "kitchen"


async def test_a_token_in_the_query_only_where_the_operator_allows_it(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file), server_allow_query_token=True)
    await welcome(service, token=WEB)
    assert (await only_connection(service))["client"] == "web"
    assert (await refusal(service, token="")).status == 401


@pytest.mark.parametrize("offer", [f"simplevoice.token.{KITCHEN}", f"simplevoice, simplevoice.token.{KITCHEN}"])
async def test_a_page_with_a_token_may_talk_to_a_daemon_that_asks_for_none(daemon: Start, offer: str) -> None:
    line = await welcome(await daemon(), headers={"Sec-WebSocket-Protocol": offer})
    assert line.socket._response.headers["Sec-WebSocket-Protocol"] == offer.split(",")[0]


async def test_a_reload_lets_new_tokens_in_and_revoked_ones_out(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    kitchen = await welcome(service, headers=BEARER)
    web = await welcome(service, connection_id="w", headers={"Authorization": f"Bearer {WEB}"})
    token_file.write_text(f"web:{WEB}\nhall:hall-0123456789abc\n")
    await reload(service, "limits")
    assert await kitchen.closed() == (1008, "token revoked")
    assert (await refusal(service, headers=BEARER)).status == 401
    await welcome(service, connection_id="h", headers={"Authorization": "Bearer hall-0123456789abc"})
    await web.say(Ping())
    assert isinstance(await web.next(), Pong)


async def test_another_token_neither_takes_over_nor_hears_what_was_said(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    kitchen = await welcome(service, headers=BEARER)
    stranger = await service.connect(headers={"Authorization": f"Bearer {WEB}"})
    told = await stranger.next()
    assert isinstance(told, ErrorMessage)
    assert (await stranger.closed())[0] == 1008
    await kitchen.say(Ping())
    assert isinstance(await kitchen.next(), Pong)


# Pages


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
async def test_a_page_of_another_site_may_not_connect(daemon: Start, origin: str) -> None:
    assert (await refusal(await daemon(), headers={"Origin": origin})).status == 403


async def test_two_origins_are_none(daemon: Start) -> None:
    service = await daemon(server_allowed_origins=("https://good.example",))
    headers = CIMultiDict([("Origin", "https://good.example"), ("Origin", "https://evil.example")])
    assert (await refusal(service, headers=headers)).status == 403


async def test_own_pages_and_configured_origins_may(daemon: Start) -> None:
    service = await daemon(server_allowed_origins=("https://good.example",))
    own = f"http://{service.http.host}:{service.http.port}"
    for n, origin in enumerate((own, "https://good.example")):
        await welcome(service, connection_id=f"c{n}", headers={"Origin": origin})


async def test_a_token_does_not_help_a_page_of_another_site(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    assert (await refusal(service, headers={**BEARER, "Origin": "https://evil.example"})).status == 403


@pytest.mark.parametrize("path", ["/ws/simple-voice-chat?connection_id=c", "/ws/simple-voice-chat/status", "/nothing"])
@pytest.mark.parametrize("host", ["rebound.evil.example", "localhost.evil.example:80", "", "a b"])
async def test_a_name_that_a_page_made_up_is_answered_421(daemon: Start, path: str, host: str) -> None:
    service = await daemon()
    async with service.http.get(path, headers={"Host": host}) as response:
        assert response.status == 421


async def test_a_page_behind_a_made_up_name_is_its_own_origin_and_yet_refused(daemon: Start) -> None:
    headers = {"Host": "rebound.evil.example", "Origin": "http://rebound.evil.example"}
    assert (await refusal(await daemon(), headers=headers)).status == 421


async def test_names_of_the_daemon(daemon: Start) -> None:
    service = await daemon(server_allowed_hosts=("voice.example.org",), server_host="gpu.example.org")
    for host in ("localhost:1", "127.0.0.1", "[::1]", "192.0.2.1:80", "VOICE.example.org", "gpu.example.org"):
        async with service.http.get("/ws/simple-voice-chat/status", headers={"Host": host}) as response:
            assert response.status == 200


async def test_health_answers_to_every_name(daemon: Start) -> None:
    service = await daemon(server_path_prefixes=("/api/v1",))
    for path in ("/healthz", "/readyz", "/api/v1/healthz"):
        async with service.http.get(path, headers={"Host": "pod-7.cluster"}) as response:
            assert response.status == 200


async def test_where_a_token_is_asked_for_names_count_only_when_the_operator_lists_some(
    daemon: Start, token_file: Path
) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    await welcome(service, headers={**BEARER, "Host": "any.example"})
    await reload(service, "server", allowed_hosts=("voice.example.org",))
    assert (await refusal(service, headers={**BEARER, "Host": "any.example"})).status == 421
    await welcome(service, connection_id="v", headers={**BEARER, "Host": "voice.example.org"})


# Proxies


async def test_a_trusted_proxy_tells_the_client_and_how_it_came(daemon: Start) -> None:
    service = await daemon(server_trusted_proxies=("127.0.0.0/8",), server_allowed_hosts=("voice.example.org",))
    headers = CIMultiDict(
        [
            ("X-Forwarded-For", "203.0.113.66"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-Host", "voice.example.org"),
            ("X-Forwarded-Proto", "https"),
            ("Origin", "https://voice.example.org"),
        ]
    )
    await welcome(service, headers=headers)
    assert (await only_connection(service))["address"] == "203.0.113.9"
    headers["Origin"] = "http://voice.example.org"
    assert (await refusal(service, headers=headers, connection_id="plain")).status == 403


async def test_nobody_else_is_believed(daemon: Start) -> None:
    service = await daemon(server_trusted_proxies=("192.0.2.0/24",))
    await welcome(service, headers={"X-Forwarded-For": "203.0.113.9"})
    assert (await only_connection(service))["address"] == "127.0.0.1"
    headers = {"X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"}
    assert (await refusal(service, headers=headers, connection_id="evil")).status == 403


async def test_a_name_that_came_through_a_proxy_is_checked_too(daemon: Start) -> None:
    service = await daemon(server_trusted_proxies=("127.0.0.1",))
    headers = {"X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"}
    assert (await refusal(service, headers=headers)).status == 421


# Places


async def test_at_capacity_503_but_ones_own_connection_can_be_taken_over(daemon: Start) -> None:
    service = await daemon(limits_max_connections=1)
    await welcome(service)
    refused = await refusal(service, connection_id="second")
    assert refused.status == 503
    assert refused.headers is not None
    assert refused.headers["Retry-After"] == "5"
    await welcome(service)


async def test_too_many_from_one_address_429(daemon: Start) -> None:
    service = await daemon(limits_connections_per_address=1, server_trusted_proxies=("127.0.0.1",))
    await welcome(service, headers={"X-Forwarded-For": "2001:db8::1"})
    refused = await refusal(service, headers={"X-Forwarded-For": "2001:db8::2"}, connection_id="neighbour")
    assert refused.status == 429
    assert refused.headers is not None
    assert refused.headers["Retry-After"] == "5"
    await welcome(service, headers={"X-Forwarded-For": "2001:db9::1"}, connection_id="elsewhere")


async def test_too_many_with_one_token_429(daemon: Start, token_file: Path) -> None:
    service = await daemon(limits_connections_per_token=1, server_auth_token_file=str(token_file))
    line = await welcome(service, headers=BEARER)
    assert (await refusal(service, headers=BEARER, connection_id="second")).status == 429
    await welcome(service, headers={"Authorization": f"Bearer {WEB}"}, connection_id="web")
    await line.socket.close()
    while len(service.app[PLACES]) > 1:
        await asyncio.sleep(0)
    await welcome(service, headers=BEARER, connection_id="second")


async def test_of_many_that_come_at_once_only_so_many_get_in(daemon: Start) -> None:
    service = await daemon(limits_max_connections=3)
    outcomes = await asyncio.gather(
        *(service.connect(connection_id=f"c{n}") for n in range(20)), return_exceptions=True
    )
    lines = [outcome for outcome in outcomes if isinstance(outcome, Line)]
    assert len(lines) == 3
    assert {outcome.status for outcome in outcomes if isinstance(outcome, WSServerHandshakeError)} == {503}


@pytest.mark.parametrize("query", [{"language": "fr"}, {"connection_id": ""}])
async def test_a_place_is_free_again_however_the_opening_ends(daemon: Start, query: Any) -> None:
    service = await daemon()
    line = await service.connect(**query)
    assert isinstance(await line.next(), ErrorMessage)
    assert (await line.closed())[0] == 1003
    async with service.http.get("/ws/simple-voice-chat?connection_id=c") as response:
        assert response.status == 400
    while len(service.app[PLACES]):
        await asyncio.sleep(0)


async def test_while_starting_and_draining_503(daemon: Start) -> None:
    service = await daemon(loaded=False)
    assert (await refusal(service)).status == 503
    await drain(service.app)
    assert (await refusal(service)).status == 503


async def test_what_a_client_puts_into_headers_stays_there(daemon: Start) -> None:
    """A line break that came through would end a header of the answer, or a line of the log."""
    service = await daemon()
    reader, writer = await asyncio.open_connection(service.http.host, service.http.port)
    writer.write(
        b"GET /ws/simple-voice-chat?connection_id=a%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: localhost\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: simplevoice.token.a%0d%0aX-Evil:1\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"101 Switching" in head
    assert b"\nX-Evil" not in head
    writer.close()
