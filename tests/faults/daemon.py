"""A whole daemon in this process: real engines that ask faulty servers, real sockets, no weights."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp.test_utils import TestClient, TestServer

from simplevoice import llm, messages, stt, tts
from simplevoice.client import Conversation, Outcome, connect
from simplevoice.config import Config, LimitsConfig, LlmConfig, ModelsConfig, SttConfig, TtsConfig, VoicesConfig
from simplevoice.engines.lent import Ears
from simplevoice.errors import ErrorCode
from simplevoice.llm import LanguageModel
from simplevoice.protocol import AudioMessage, ClientMessage, ErrorMessage, Ping, Pong, TextMessage, VoiceResponse
from simplevoice.server.app import create_app, start_service
from simplevoice.service import SimpleVoiceService
from simplevoice.stt import Transcriber
from simplevoice.tts import Speaker
from simplevoice.types import Language
from tests.edge import EdgeEmulator
from tests.fakes.engines import FakeVoiceActivity
from tests.fakes.language_server import LanguageServer
from tests.fakes.recognition_server import RecognitionServer
from tests.media import encode as encode_audio
from tests.media import tone
from tests.warming import warmed_up

STAGE_SECONDS = 1.0
"""What a recognizer and a language model get here."""

ANSWER_SECONDS = 20.0
"""Within the turn's deadline, as it is by default. On a machine with much else to do; alone a second or two."""

SPOKEN = AudioMessage(audio_data=encode_audio(tone(700), "wav"), format="wav")
TYPED = TextMessage(text="What time is it?")


class World:
    """What the daemon depends on: a server for each work, and one more that may stand by."""

    def __init__(self, edge: EdgeEmulator) -> None:
        self.edge = edge
        self.stt, self.second_stt = RecognitionServer(), RecognitionServer(heard="The second one hears.")
        self.llm, self.second_llm = LanguageServer(), LanguageServer(reply=("The second ", "one answers."))

    def heal_edge(self) -> None:
        """Let Edge work again, and end what hangs there."""
        self.edge.fault = None
        self.edge.go_on.set()

    def config(self, *, fallbacks: bool = False, seconds: float = STAGE_SECONDS, **limits: Any) -> Config:
        """Settings whose stages end after so many seconds."""
        recognizer = SttConfig(engine="openai", base_url=self.stt.url, timeout_seconds=seconds)
        model = LlmConfig(base_url=self.llm.url, model="m", timeout_seconds=seconds, max_tokens=40)
        if fallbacks:
            others = msgspec.structs.replace(recognizer, base_url=self.second_stt.url)
            recognizer = msgspec.structs.replace(recognizer, fallbacks=(others,))
            model = msgspec.structs.replace(
                model, fallbacks=(msgspec.structs.replace(model, base_url=self.second_llm.url),)
            )
        speech = TtsConfig(local="espeak", proxy=self.edge.proxy_url, first_audio_seconds=seconds)
        return Config(stt=recognizer, llm=model, tts=speech, limits=LimitsConfig(drain_seconds=1.0, **limits))


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Run all servers; nothing may be left behind them."""
    async with EdgeEmulator() as edge:
        made = World(edge)
        async with made.stt, made.second_stt, made.llm, made.second_llm:
            yield made


class Line:
    """One client."""

    def __init__(self, conversation: Conversation, language: Language) -> None:
        self._conversation = conversation
        self.language = language

    async def turn(self, message: ClientMessage) -> Outcome:
        """Take a turn, and give its one outcome. That no second one comes, a ping behind it shows."""
        first = await self._conversation.turn(message, ANSWER_SECONDS)
        await self._conversation.send(Ping())
        async with asyncio.timeout(ANSWER_SECONDS):
            while not isinstance(behind := await self._conversation.receive(), Outcome | Pong):
                pass
        assert isinstance(behind, Pong), f"{first} and then {behind}"
        return first

    async def fails(self, message: ClientMessage, code: ErrorCode) -> None:
        """Take a turn that ends in an error, told in the language of the connection, that suggests a retry."""
        told = await self.turn(message)
        assert isinstance(told, ErrorMessage), told
        assert (told.error_code, told.retry_suggested) == (code, True)
        assert told.message == messages.text(code, self.language)
        assert isinstance(told.turn_id, str)

    async def answers(self, message: ClientMessage) -> VoiceResponse:
        """Take a turn that is answered."""
        told = await self.turn(message)
        assert isinstance(told, VoiceResponse), told
        return told


class Daemon:
    """The daemon, and who talks to it."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.http = client

    @asynccontextmanager
    async def line(self, language: Language = "en", name: str = "c") -> AsyncIterator[Line]:
        """Open a connection."""
        url = str(self.http.make_url("/"))
        async with connect(url, connection_id=name, language=language, response_mode="stream") as conversation:
            yield Line(conversation, language)

    async def health(self, role: str) -> dict[str, Any]:
        """Ask the status for the health of one work; ``status`` is in it as well."""
        async with self.http.get("/ws/simple-voice-chat/status") as response:
            status = await response.json()
        return {**status["service_health"][role], "status": status["status"]}


@asynccontextmanager
async def daemon(
    config: Config,
    *,
    transcriber: Transcriber | None = None,
    model: LanguageModel | None = None,
    speaker: Speaker | None = None,
) -> AsyncIterator[Daemon]:
    """Run a daemon with the engines that the settings name, but for those that are given."""
    if transcriber is None:
        transcriber = await asyncio.to_thread(stt.create, config.stt, ModelsConfig())
    if model is None:
        model = await asyncio.to_thread(llm.create, config.llm, ModelsConfig())
    if speaker is None:
        speaker = await asyncio.to_thread(tts.create, config.tts, VoicesConfig(), ModelsConfig())
    service = SimpleVoiceService(
        config.limits,
        transcriber,
        model,
        speaker,
        lambda: Ears(FakeVoiceActivity(), None),
    )
    app = create_app(config, service)
    async with TestClient(TestServer(app)) as client:
        await start_service(app)
        await warmed_up()
        yield Daemon(client)
