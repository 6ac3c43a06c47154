"""An HTTP proxy that knows CONNECT alone, and leads every connection to one port of this machine."""

import asyncio
from contextlib import suppress


class ConnectProxy:
    """Listens on 127.0.0.1. ``asked`` holds the head of every request; ``unused`` is set while nobody is connected.

    ``answer`` is what it answers, and any other than 200 is its last word; with None it hangs.
    """

    def __init__(self, target_port: int) -> None:
        self.asked: list[str] = []
        self.asking = asyncio.Event()
        self.unused = asyncio.Event()
        self.unused.set()
        self.answer: str | None = "200 Connection established"
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What to configure as the proxy."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tunnels, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Close all connections."""
        for tunnel in self._tunnels:
            tunnel.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        self.unused.clear()
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._tunnel(reader, writer)
        writer.close()
        self._tunnels.discard(task)
        if not self._tunnels:
            self.unused.set()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        self.asking.set()
        if self.answer is None:
            await reader.read()
            return
        writer.write(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
        if not self.answer.startswith("200"):
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            there = asyncio.create_task(_pass_on(reader, inner_writer))
            back = asyncio.create_task(_pass_on(inner_reader, writer))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in (there, back):
                    way.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            inner_writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
