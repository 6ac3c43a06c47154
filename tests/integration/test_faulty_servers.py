"""The faulty servers themselves, in a process of their own: what a chaos run relies on."""

import aiohttp
import pytest

from tests.fakes.faulty import Fault
from tests.fakes.servers import running


async def test_faults_are_switched_while_the_servers_run() -> None:
    question = {"messages": [], "stream": True}
    async with running() as servers, aiohttp.ClientSession() as http:
        url = f"{servers.urls['llm']}/chat/completions"
        for fault, status in ((Fault.NONE, 200), (Fault.FAILS, 500), (Fault.NONE, 200), (Fault.BUSY, 429)):
            await servers.switch("llm", fault)
            async with http.post(url, json=question) as response:
                assert response.status == status
        await servers.switch("llm", Fault.REFUSES)
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.post(url, json=question)
        await servers.switch("llm", Fault.BREAKS_OFF)
        async with http.post(url, json=question) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        await servers.switch("llm", Fault.NONE)
        async with http.post(url, json=question) as response:
            assert b"noon" in await response.read()
