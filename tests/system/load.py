"""Clients that converse without a pause, each as PROTOCOL has it: told that the daemon goes away, they come back.

    python load.py URL CLIENTS

It speaks to the WebSocket itself, as it heeds the Retry-After of a refusal, which simplevoice.client does not tell.
Runs until its input ends; its output is then one line of JSON, what became of connections and turns.
"""

import asyncio
import json
import sys
import uuid
from collections import Counter

import aiohttp

TURN_SECONDS = 60.0
CONNECT_SECONDS = 60.0

QUESTION = {"type": "text_message", "text": "What is the capital of Egypt?"}


class Client:
    """One who asks, over and over. ``counts`` are of all clients together."""

    def __init__(self, http: aiohttp.ClientSession, url: str, counts: Counter[str], stop: asyncio.Event) -> None:
        self._http, self._url, self._counts, self._stop = http, url, counts, stop

    async def converse(self) -> None:
        """Connect and ask until told to stop."""
        while not self._stop.is_set():
            query = {"connection_id": uuid.uuid4().hex, "language": "en"}
            try:
                async with self._http.ws_connect(self._url, params=query) as channel:
                    self._counts["connections"] += 1
                    await self._ask(channel)
            except aiohttp.WSServerHandshakeError as error:
                self._counts[f"status_{error.status}"] += 1
                await asyncio.sleep(float(error.headers["Retry-After"]) if error.headers else 1)
            except aiohttp.ClientError:
                self._counts["refused"] += 1
                await asyncio.sleep(1)

    async def _ask(self, channel: aiohttp.ClientWebSocketResponse) -> None:
        leaving = False
        while not (leaving or self._stop.is_set()):
            try:
                await channel.send_json(QUESTION)
            except aiohttp.ClientConnectionError:
                return  # it was closed between two turns
            self._counts["asked"] += 1
            async with asyncio.timeout(TURN_SECONDS):
                outcome, leaving = await self._answer(channel)
            self._counts[outcome] += 1
            if outcome == "lost":
                return

    async def _answer(self, channel: aiohttp.ClientWebSocketResponse) -> tuple[str, bool]:
        """Read to the end of the turn; tells what became of it, and whether the daemon goes away."""
        leaving = False
        async for message in channel:
            received = json.loads(message.data)
            leaving = leaving or received["type"] == "going_away"
            if received["type"] in ("voice_response", "error"):
                return ("answered" if received["success"] else "failed"), leaving
        return "lost", True


async def main(url: str, clients: int) -> None:
    """Run the clients until standard input ends."""
    counts: Counter[str] = Counter()
    stop = asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(Client(http, url, counts, stop).converse())
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
