"""The agent's events, put into our protocol. The agent itself runs in the benchmark only: it takes a gigabyte."""

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simplevoice import protocol
from simplevoice.errors import ConnectionFailedError
from tests.benchmarks.peers import pipecat_agent
from tests.benchmarks.peers.pipecat_agent import PeerMissingError, PipecatWire, prepare

STARTED, STOPPED, SAID = "user-started-speaking", "user-stopped-speaking", "bot-stopped-speaking"
SOUND = b"\x01\x00" * 480


class Agent:
    """A WebSocket whose other end does what the test says."""

    def __init__(self, events: Iterable[str | bytes]) -> None:
        self._events = iter(events)
        self.received: list[Any] = []

    async def receive(self) -> aiohttp.WSMessage:
        match next(self._events, None):
            case bytes(sound):
                return aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, sound, None)
            case str(event):
                return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, json.dumps({"type": event}), None)
            case _:
                return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

    async def send_bytes(self, data: bytes) -> None:
        self.received.append(data)

    async def send_str(self, data: str) -> None:
        self.received.append(json.loads(data))


def wire(agent: Agent) -> PipecatWire:
    return PipecatWire(agent)  # type: ignore[arg-type] # it has what is used of one


async def heard(*events: str | bytes) -> list[tuple[str, str]]:
    """Tell what the events come out as: the messages with their turns."""
    found, peer = [], wire(Agent(events))
    with suppress(ConnectionFailedError):
        while True:
            message = await peer.receive()
            found.append((type(message).__name__, getattr(message, "turn_id", "")))
    return found


async def test_a_turn_that_is_answered() -> None:
    assert await heard(STARTED, "metrics", STOPPED, "bot-started-speaking", SOUND, SOUND, SAID) == [
        ("SpeechStart", ""),
        ("TurnProcessingStarted", "turn_1"),
        ("AudioChunk", "turn_1"),
        ("AudioChunk", "turn_1"),
        ("VoiceResponse", "turn_1"),
    ]


async def test_an_answer_is_dropped_when_the_user_goes_on() -> None:
    assert await heard(STARTED, STOPPED, SOUND, STARTED, SOUND, SAID, STOPPED, SAID, SOUND, SAID) == [
        ("SpeechStart", ""),
        ("TurnProcessingStarted", "turn_1"),
        ("AudioChunk", "turn_1"),
        ("Interrupted", "turn_1"),
        ("SpeechStart", ""),
        ("TurnProcessingStarted", "turn_2"),
        ("AudioChunk", "turn_2"),
        ("VoiceResponse", "turn_2"),
    ]


async def test_sound_travels_as_it_is() -> None:
    agent = Agent([STOPPED, SOUND])
    peer = wire(agent)
    await peer.send(SOUND)
    await peer.receive()
    chunk = await peer.receive()
    assert isinstance(chunk, protocol.AudioChunk)
    assert (agent.received, chunk.audio_base64, chunk.sample_rate) == ([SOUND], SOUND, 24_000)


async def test_it_is_told_to_forget_and_of_nothing_else_that_we_say() -> None:
    agent = Agent([])
    for message in (protocol.ResetConversation(), protocol.Interrupt(), protocol.SessionUpdate(language="en")):
        await wire(agent).send(message)
    [told] = agent.received
    assert (told["label"], told["type"], told["data"]) == ("rtvi-ai", "client-message", {"t": "forget"})


async def test_it_begins_when_the_agent_is_ready() -> None:
    agent = Agent(["bot-started-speaking", "bot-ready", STOPPED])
    peer = wire(agent)
    await peer.begin()
    assert agent.received[0]["type"] == "client-ready"
    assert isinstance(await peer.receive(), protocol.TurnProcessingStarted)


async def test_packages_that_cannot_be_had_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipecat_agent, "ENVIRONMENT", tmp_path / "peer")
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(PeerMissingError, match=r"its packages can't be installed$"):
        await prepare()
