"""A way to a port of this machine that is as long as the one to a service far away."""

import asyncio
from contextlib import suppress


class Distance:
    """Passes TCP on, with the delays of a network: half a round trip for every byte, and one to connect.

    The kernel accepts at once, so what is sent in the first round trip waits for its end: it could not have been sent
    before. Whoever says nothing for that long after connecting waits for no more than any other byte.
    """

    def __init__(self, target_port: int, round_trip_seconds: float) -> None:
        self._target_port = target_port
        self._round_trip = round_trip_seconds
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where to connect to."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        connected = asyncio.get_running_loop().time() + self._round_trip
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        with suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as ways:
                for source, target in ((reader, inner_writer), (inner_reader, writer)):
                    under_way: _UnderWay = asyncio.Queue()
                    ways.create_task(self._depart(source, under_way, connected))
                    ways.create_task(_arrive(under_way, target))
        writer.close()
        inner_writer.close()
        self._connections.discard(task)

    async def _depart(self, source: asyncio.StreamReader, under_way: "_UnderWay", connected: float) -> None:
        clock = asyncio.get_running_loop().time
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                under_way.put_nowait((max(clock(), connected) + self._round_trip / 2, data))
        under_way.put_nowait((clock() + self._round_trip / 2, b""))


_UnderWay = asyncio.Queue[tuple[float, bytes]]
"""Bytes, and when they arrive on the clock of the loop; none is the end."""


async def _arrive(under_way: _UnderWay, target: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due, data = await under_way.get()
        await asyncio.sleep(due - clock())
        if not data:
            target.close()
            return
        target.write(data)
