"""Against a server that only counts who connects and what is asked."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from simplevoice.tts import connections
from simplevoice.tts.connections import Connector, Spare


class Server:
    def __init__(self) -> None:
        self.connected = 0
        self.asked = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.changed = asyncio.Condition()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.open.add(writer)
        await self._tell()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            self.open.discard(writer)
            await self._tell()

    async def connections(self, now: int) -> None:
        """Wait until so many are open."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: len(self.open) == now)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def ask(self, connector: Connector) -> None:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://127.0.0.1:{self.port}/") as answer,
        ):
            assert answer.status == 204


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    await server.connections(0)
    listening.close()


async def test_a_connection_is_open_before_anything_is_asked(server: Server) -> None:
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    await server.connections(1)
    assert server.asked == 0
    connector = await spare.take()
    assert connector.open
    await server.ask(connector)
    assert (server.connected, server.asked) == (1, 1)
    await connector.drop()


async def test_prepared_twice_it_is_opened_once(server: Server) -> None:
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    spare.prepare()
    await server.connections(1)
    first = await spare.take()
    spare.prepare()
    await server.connections(2)
    second = await spare.take()
    assert first is not second
    await first.drop()
    await second.drop()


async def test_one_that_is_being_opened_is_awaited(server: Server) -> None:
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    assert server.connected == 0
    connector = await spare.take()
    assert connector.open
    await connector.drop()


async def test_of_two_who_wait_for_it_one_gets_it(server: Server) -> None:
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    taken = await asyncio.gather(spare.take(), spare.take())
    assert sorted(connector.open for connector in taken) == [False, True]
    for connector in taken:
        await server.ask(connector)
        await connector.drop()


async def test_without_preparation_the_text_opens_its_own(server: Server) -> None:
    connector = await Spare(server.ask, seconds=5).take()
    assert not connector.open
    await server.ask(connector)
    await connector.drop()


async def test_one_that_the_other_side_closed_is_not_given(server: Server) -> None:
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    connector = await spare.take()
    [writer] = server.open
    writer.close()
    async with asyncio.timeout(5):
        while connector.open:
            await asyncio.sleep(0)
    await server.ask(connector)  # through another one
    assert (server.connected, server.asked) == (2, 1)
    await connector.drop()


async def test_one_that_is_old_is_dropped_for_a_new_one(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEPT_SECONDS", 0.0)
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    await server.connections(1)
    assert not (await spare.take()).open
    await server.connections(0)


async def test_a_host_that_is_not_there_is_the_texts_own_business(server: Server) -> None:
    async def dial(_: Connector) -> None:
        raise OSError("no way")

    spare = Spare(dial, seconds=5)
    spare.prepare()
    connector = await spare.take()
    await server.ask(connector)
    await connector.drop()


async def test_opening_has_its_time() -> None:
    spare = Spare(lambda _: asyncio.Event().wait(), seconds=0.01)
    spare.prepare()
    async with asyncio.timeout(5):
        assert not (await spare.take()).open


@pytest.mark.parametrize("opened", [False, True])
async def test_dropped_nothing_of_it_is_left(server: Server, opened: bool) -> None:
    spare = Spare(server.ask, seconds=5)
    spare.prepare()
    if opened:
        await server.connections(1)
    await spare.drop()
    await server.connections(0)
    assert not (await spare.take()).open


async def test_only_drop_closes_a_connector(server: Server) -> None:
    connector = Connector()
    await server.ask(connector)
    assert not connector.closed
    await server.ask(connector)
    await connector.drop()
    assert connector.closed
