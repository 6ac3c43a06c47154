"""The machine under the daemon: its clock jumps, and it runs out of file descriptors."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from simplevoice.errors import ErrorCode
from simplevoice.protocol import ErrorMessage
from tests.fakes.faulty import Fault
from tests.faults.daemon import SPOKEN, TYPED, World, daemon, world
from tests.leftovers import nothing_left

__all__ = ["nothing_left"]

HOURS = 3600.0


@pytest.fixture
async def servers() -> AsyncIterator[World]:
    async with world() as servers:
        yield servers


@pytest.mark.parametrize("jump", [-5 * HOURS, 5 * HOURS])
async def test_a_clock_that_jumps_ends_nothing_and_opens_nothing(
    servers: World, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    now, jumped = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: now() + jumped)
    async with daemon(servers.config(fallbacks=True)) as house, house.line() as line:
        await servers.llm.switch(Fault.UNAUTHORIZED)
        for _ in range(3):
            await line.answers(TYPED)
        assert (await house.health("llm"))["breaker"] == "open"
        await servers.second_llm.switch(Fault.HANGS)
        turn = asyncio.create_task(line.turn(SPOKEN))
        async with asyncio.timeout(20):
            await servers.second_llm.hanging.wait()
        jumped = jump
        told = await turn
        assert isinstance(told, ErrorMessage), "its deadline is where it was"
        assert told.error_code is ErrorCode.REPLY_FAILED
        assert (await house.health("llm"))["breaker"] == "open", "nobody is probed early"
        await servers.second_llm.switch(Fault.NONE)
        await line.answers(TYPED)
        await servers.llm.switch(Fault.NONE)
        jumped = -jump
        await line.answers(TYPED)


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The limit is on the number of a descriptor, not on how many there are: the holes below it are filled.
    fillers = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[0] + 1, hard))
    try:
        while True:
            try:
                fillers.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in fillers:
            os.close(descriptor)


async def test_without_descriptors_turns_fail_one_by_one_and_newcomers_wait(servers: World) -> None:
    async with daemon(servers.config()) as house, house.line() as line:
        await line.answers(TYPED)
        loop = asyncio.get_running_loop()
        with socket.socket() as newcomer:
            newcomer.setblocking(False)
            with no_more_descriptors():
                await loop.sock_connect(newcomer, ("127.0.0.1", house.http.server.port))
                await loop.sock_sendall(newcomer, b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                # Recognition has no connection yet, and can't open one.
                await line.fails(SPOKEN, ErrorCode.TRANSCRIPTION_FAILED)
            async with asyncio.timeout(10):
                assert (await loop.sock_recv(newcomer, 1000)).startswith(b"HTTP/1.0 200")
        await line.answers(SPOKEN)
