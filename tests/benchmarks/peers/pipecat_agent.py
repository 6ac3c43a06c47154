"""A Pipecat agent as one side of a comparison: its process, and a wire that puts its events into our protocol."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import aiohttp
import msgspec
from platformdirs import user_cache_path

from simplevoice import protocol
from simplevoice.cli.latency_bench import Wire
from simplevoice.cli.own_daemon import stop
from simplevoice.config import ModelsConfig
from simplevoice.engines.cores import CORES, reply_threads
from simplevoice.errors import ConnectionFailedError
from simplevoice.models.store import ModelStore
from simplevoice.types import OUTPUT_SAMPLE_RATE
from tests.benchmarks.talking import Side

HERE = Path(__file__).parent
ENVIRONMENT = user_cache_path("simplevoice") / "peers" / "pipecat"
PACKAGES = ("pipecat-ai[piper,websocket,whisper]==1.14.0", "uvicorn==0.54.0")
SHARED = ("faster-whisper", "ctranslate2", "onnxruntime", "piper-tts", "xllamacpp")
"""The engines, which it gets in the versions that we have."""
SURROUNDINGS = {
    "LOGURU_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
    "NO_PROXY": "127.0.0.1",
    "OPENBLAS_NUM_THREADS": str(CORES),
}
"""It tells its errors only, asks nobody on the network, and numpy has as many threads as it takes by itself."""
START_SECONDS, READY_SECONDS = 120.0, 60.0
MOST_BYTES = 2**24

Turn = Literal["default", "speech-timeout"]


class PeerMissingError(Exception):
    """The peer can't be had here; says why."""


async def prepare() -> None:
    """Make its environment, which takes a minute the first time. Raises PeerMissingError."""
    packages = (*PACKAGES, *(f"{name}=={version(name)}" for name in SHARED))
    with TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(packages))
        arguments = (ENVIRONMENT, requirements, sys.executable)
        process = await asyncio.create_subprocess_exec(
            HERE / "prepare.sh", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    if process.returncode:
        raise PeerMissingError(said.decode().strip())


@asynccontextmanager
async def agent(turn: Turn, instructions: str, max_tokens: int, temperature: float) -> AsyncIterator[Side]:
    """Run an agent with our weights, and with these settings of its language model."""
    store = ModelStore(ModelsConfig(offline=True))
    [llm] = store.path("smollm2-135m").glob("*.gguf")
    [voice] = store.path("piper-en-male").glob("*.onnx")
    options = {
        "turn": turn,
        "whisper": store.path("whisper-base"),
        "llm": llm,
        "llm-threads": reply_threads(CORES),
        "voice": voice,
        "instructions": instructions,
        "max-tokens": max_tokens,
        "temperature": temperature,
    }
    process = await asyncio.create_subprocess_exec(
        ENVIRONMENT / "bin" / "python",
        "-I",  # neither our packages nor our settings
        HERE / "pipecat_server.py",
        *(f"--{name}={value}" for name, value in options.items()),
        env={**os.environ, **SURROUNDINGS},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            url = (await process.stdout.readline()).decode().strip()
        assert url, "the agent did not start; its own words are above"
        yield Side(url, process.pid, partial(_connect, url))
    finally:
        await stop(process)


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[Wire]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=MOST_BYTES) as websocket:
        wire = PipecatWire(websocket)
        async with asyncio.timeout(READY_SECONDS):  # it loads its models for each connection
            await wire.begin()
        yield wire


class PipecatWire:
    """Speaks RTVI to the agent, and our protocol to who measures.

    A turn begins when the agent says that the user has stopped. The sound that follows is its answer, until the user
    is heard again, which makes the agent drop it; it is complete when the agent has stopped speaking.
    """

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket
        self._coming: deque[protocol.AnyServerMessage] = deque()
        self._turns = 0
        self._open = False
        """Whether the last turn may still be answered, or is being answered."""
        self._sounds = False

    async def begin(self) -> None:
        """Wait until the agent listens. Raises ConnectionFailedError."""
        await self._tell("client-ready", {"version": "2.2.0", "about": {"library": "simplevoice bench"}})
        while await self._event() != "bot-ready":
            pass

    async def send(self, message: protocol.ClientMessage | bytes) -> None:
        """Send sound, or that the conversation is to be forgotten; the agent needs to be told nothing else."""
        if isinstance(message, bytes):
            await self._websocket.send_bytes(message)
        elif isinstance(message, protocol.ResetConversation):
            await self._tell("client-message", {"t": "forget"})

    async def receive(self) -> protocol.AnyServerMessage:
        """Return what the agent's next event means. Raises ConnectionFailedError."""
        while not self._coming:
            event = await self._event()
            if isinstance(event, bytes):
                self._hear(event)
            else:
                self._follow(event)
        return self._coming.popleft()

    def _hear(self, sound: bytes) -> None:
        if self._open:
            self._sounds = True
            chunk = protocol.AudioChunk(
                turn_id=self._name,
                seq=0,
                format="pcm16",
                sample_rate=OUTPUT_SAMPLE_RATE,
                size=len(sound),
                audio_base64=sound,
            )
            self._coming.append(chunk)

    def _follow(self, event: str) -> None:
        match event:
            case "user-started-speaking":
                if self._open:
                    self._coming.append(protocol.Interrupted(turn_id=self._name, reason="speech", heard_text=""))
                self._open = False
                self._coming.append(protocol.SpeechStart(message="", offset_ms=0))
            case "user-stopped-speaking":
                self._turns += 1
                self._open, self._sounds = True, False
                self._coming.append(protocol.TurnProcessingStarted(turn_id=self._name, message=""))
            case "bot-stopped-speaking" if self._open and self._sounds:
                self._coming.append(_answered(self._name))

    @property
    def _name(self) -> str:
        return f"turn_{self._turns}"

    async def _event(self) -> str | bytes:
        """Return sound, or the name of an event."""
        message = await self._websocket.receive()
        match message.type:
            case aiohttp.WSMsgType.BINARY:
                return bytes(message.data)
            case aiohttp.WSMsgType.TEXT:
                return str(msgspec.json.decode(message.data)["type"])
            case _:
                raise ConnectionFailedError("the agent closed the connection")

    async def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        message = {"label": "rtvi-ai", "id": "1", "type": kind, "data": data}
        await self._websocket.send_str(msgspec.json.encode(message).decode())


def _answered(turn_id: str) -> protocol.VoiceResponse:
    """Say that an answer is complete; what our daemon would tell of it beyond that, the agent doesn't."""
    return protocol.VoiceResponse(
        turn_id=turn_id,
        transcription="",
        response_text="",
        audio_format="pcm16",
        sample_rate=OUTPUT_SAMPLE_RATE,
        duration_ms=0,
        language="en",
        voice_type="male",
        response_time_ms=0,
        session_id="",
        message_count=0,
        tts_engine="",
        timings=protocol.Timings(total=0),
    )
