"""Tickets on a real server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from simplevoice.server.admission import tickets
from simplevoice.server.keys import LIFECYCLE, LIVE, TICKETS, TOKENS
from simplevoice.server.lifecycle import Phase
from tests.unit.server.conftest import KITCHEN, Daemon, Line, Start

PATH = "/ws/simple-voice-chat/ticket"
BEARER = {"Authorization": f"Bearer {KITCHEN}"}


async def get_ticket(service: Daemon, path: str = PATH, **headers: str) -> str:
    async with service.http.post(path, headers=BEARER | headers) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        answer: dict[str, Any] = await response.json()
    assert answer["expires_in_seconds"] == 60
    return str(answer["ticket"])


async def test_a_ticket_opens_one_conversation_in_the_name_of_its_token(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file), server_path_prefixes=("/api/v1",))
    ticket = await get_ticket(service, f"/api/v1{PATH}")
    line = await service.connect(ticket=ticket)
    await line.next()
    async with service.http.get("/ws/simple-voice-chat/status", headers=BEARER) as response:
        assert (await response.json())["connections"][0]["client"] == "kitchen"
    with pytest.raises(WSServerHandshakeError, match="401"):
        await service.connect(ticket=ticket, connection_id="again")


@pytest.mark.parametrize("phase", ["starting", "draining"])
async def test_where_no_conversation_can_begin_there_is_none_and_a_page_can_read_why(
    daemon: Start, phase: Phase
) -> None:
    service = await daemon(server_allowed_origins=("https://app.test",))
    service.app[LIFECYCLE].phase = phase
    async with service.http.post(PATH, headers={"Origin": "https://app.test"}) as response:
        assert (response.status, await response.text()) == (503, f"{phase}\n")
        assert response.headers["Retry-After"] == "5"
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.test"


async def test_of_two_with_one_ticket_one_gets_in(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    ticket = await get_ticket(service)
    both = (service.connect(ticket=ticket, connection_id=name) for name in "ab")
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(outcome, Line) for outcome in outcomes) == 1
    (refused,) = (outcome for outcome in outcomes if not isinstance(outcome, Line))
    assert isinstance(refused, WSServerHandshakeError)
    assert refused.status == 401


async def test_a_ticket_goes_with_its_token(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    ticket = await get_ticket(service)
    token_file.write_text("web:web-0123456789abc\n")
    commit = await service.app[TOKENS].prepare(service.app[LIVE].config)
    commit()
    with pytest.raises(WSServerHandshakeError, match="401"):
        await service.connect(ticket=ticket)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong-0123456789"}])
async def test_without_a_token_there_is_no_ticket(daemon: Start, token_file: Path, headers: dict[str, str]) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    async with service.http.post(PATH, headers=headers) as response:
        assert response.status == 401
    ticket = await get_ticket(service)
    async with service.http.post(f"{PATH}?ticket={ticket}") as response:
        assert response.status == 401, "a ticket is no token"
    async with service.http.get(PATH, headers=BEARER) as response:
        assert response.status == 405


async def test_a_daemon_that_asks_for_no_token_gives_tickets_too(daemon: Start) -> None:
    service = await daemon()
    async with service.http.post(PATH) as response:
        ticket = (await response.json())["ticket"]
    await (await service.connect(ticket=ticket)).next()


async def test_tickets_run_out(daemon: Start, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_TICKETS", 10)
    service = await daemon(server_auth_token_file=str(token_file))
    await get_ticket(service)
    async with service.http.post(PATH, headers=BEARER) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "5"
    assert len(service.app[TICKETS]) == 1


async def test_a_page_of_an_allowed_origin_may_read_the_answer(daemon: Start, token_file: Path) -> None:
    service = await daemon(server_auth_token_file=str(token_file), server_allowed_origins=("https://good.example",))
    for headers, status in ((BEARER, 200), ({}, 401)):
        async with service.http.post(PATH, headers={**headers, "Origin": "https://good.example"}) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == "https://good.example"


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_page_of_another_site_gets_none(daemon: Start, token_file: Path, origin: str) -> None:
    service = await daemon(server_auth_token_file=str(token_file))
    async with service.http.post(PATH, headers={**BEARER, "Origin": origin}) as response:
        assert response.status == 403
    assert len(service.app[TICKETS]) == 0
