"""Text that is meant to become markup, a header, a path or a terminal's command: on its way through real engines.

A client types it, a language model's server answers with it, edge-tts speaks it; what arrives on each wire is checked.
"""

from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest

from simplevoice.config import LlmConfig, ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import ErrorCode
from simplevoice.llm.openai import OpenAIModel
from simplevoice.protocol import (
    AnyServerMessage,
    ConnectionEstablished,
    ErrorMessage,
    Ping,
    Pong,
    SessionUpdate,
    TextMessage,
    VoiceResponse,
)
from simplevoice.tts.edge import EdgeSpeaker
from tests.edge import EdgeEmulator
from tests.fakes.engines import FakeEngines
from tests.fakes.language_server import LanguageServer
from tests.unit.server.conftest import Line, Start, daemon
from tests.warming import warmed_up

__all__ = ["daemon"]

SSML = "{http://www.w3.org/2001/10/synthesis}"

HOSTILE = [
    '</prosody></voice></speak><audio src="http://127.0.0.1:9/x.wav"/>',
    "' /><break time='9999s'/><voice name='x",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]> &e; &#60;audio src=1&#62;',
    "]]><![CDATA[<audio/>]]>",
    "& &amp; &lt;mark name='x'/&gt; <\x00mark/> <\u200bmark/>",
    "\r\nPath:turn.end\r\nX-RequestId:1\r\n\r\n<speak/>",
    "\x1b]0;owned\x07\x1b[2J\x9b31m \u202eright to left\u202c \ufffe\uffff\u0000",
    "../../../etc/passwd; $(reboot) `id` %s %n {0} {self.__class__}",
]
HALF_CHARACTER = "half \ud800 of \udfff a character"


@pytest.fixture
async def edge() -> AsyncIterator[EdgeEmulator]:
    async with EdgeEmulator() as service:
        yield service


class Scene:
    """A daemon with a real client of each service, and one line to it."""

    def __init__(self, line: Line, server: LanguageServer, edge: EdgeEmulator) -> None:
        self.line = line
        self.server = server
        self.edge = edge

    async def answered(self, text: str) -> AnyServerMessage:
        """Ask, and give the last message of the turn."""
        await self.line.say(TextMessage(text=text))
        while not isinstance(message := await self.line.next(), VoiceResponse | ErrorMessage):
            pass
        return message


@pytest.fixture
async def scene(edge: EdgeEmulator, daemon: Start) -> AsyncIterator[Scene]:
    async with LanguageServer() as server:
        fakes: Any = FakeEngines()
        fakes.model = OpenAIModel(LlmConfig(base_url=server.url, model="first"), ModelsConfig())
        fakes.model.running = 0
        fakes.speaker = EdgeSpeaker(TtsConfig(proxy=edge.proxy_url), VoicesConfig(), ModelsConfig())
        service = await daemon(fakes)
        await warmed_up()
        line = await service.connect(response_mode="stream", audio_format="pcm16")
        assert isinstance(await line.next(), ConnectionEstablished)
        server.requests.clear()  # those of the warm-up
        edge.requests.clear()
        yield Scene(line, server, edge)
        await line.socket.close()


def assert_only_text(request: str) -> None:
    """What went to the speech service is one voice with one pace, and text."""
    head, _, ssml = request.partition("\r\n\r\n")
    assert [line.partition(":")[0] for line in head.split("\r\n")] == [
        "X-RequestId",
        "Content-Type",
        "X-Timestamp",
        "Path",
    ]
    assert head.endswith("Path:ssml")
    elements = list(ElementTree.fromstring(ssml).iter())
    assert [element.tag for element in elements] == [f"{SSML}speak", f"{SSML}voice", f"{SSML}prosody"]
    _, voice, prosody = elements
    assert voice.attrib == {"name": "Microsoft Server Speech Text to Speech Voice (en-US, JennyNeural)"}
    assert prosody.attrib == {"pitch": "+0Hz", "rate": "+0%", "volume": "+0%"}
    assert prosody.text is not None
    assert prosody.text.isprintable()


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_model_s_reply_is_text_and_nothing_else(scene: Scene, text: str) -> None:
    scene.server.reply = ("It is noon. ", text[: len(text) // 2], text[len(text) // 2 :], " And that is all.")
    answer = await scene.answered("what time is it")
    assert isinstance(answer, VoiceResponse)
    assert answer.response_text.isprintable()
    assert scene.edge.requests
    for request in scene.edge.requests:
        assert_only_text(request)


async def test_half_a_character_of_a_model_is_left_out(scene: Scene) -> None:
    scene.server.reply = (HALF_CHARACTER, ".")
    answer = await scene.answered("what time is it")
    assert isinstance(answer, VoiceResponse)
    assert answer.response_text == "half of a character."


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_a_client_types_reaches_the_model_as_one_message(scene: Scene, text: str) -> None:
    answer = await scene.answered(text)
    assert isinstance(answer, VoiceResponse)
    assert answer.transcription == text
    (request,) = scene.server.requests
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["messages"][1]["content"] == text
    for asked in scene.edge.requests:
        assert_only_text(asked)


@pytest.mark.parametrize("text", HOSTILE)
async def test_instructions_are_one_message_too(scene: Scene, text: str) -> None:
    await scene.line.say(SessionUpdate(instructions=text))
    assert isinstance(await scene.answered("what time is it"), VoiceResponse)
    (request,) = scene.server.requests
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["messages"][0]["content"].startswith(text)


@pytest.mark.parametrize("text", [*HOSTILE, "", "x" * 65])
@pytest.mark.parametrize("field", ["voice", "rate"])
async def test_no_voice_and_no_pace_is_markup(scene: Scene, field: str, text: str) -> None:
    change: dict[str, Any] = {field: text}
    await scene.line.say(SessionUpdate(**change))
    refusal = await scene.line.next()
    assert isinstance(refusal, ErrorMessage)
    assert refusal.error_code is ErrorCode.INVALID_MESSAGE
    assert refusal.details["field"] == field  # type: ignore[index]  # INVALID_MESSAGE has details
    assert isinstance(await scene.answered("what time is it"), VoiceResponse)
    for request in scene.edge.requests:
        assert_only_text(request)


@pytest.mark.parametrize(
    "session", ["../../etc/passwd", "a/b", "a\r\nSet-Cookie: x=1", "\x1b[2J", "a\x00b", "%2e%2e%2f"]
)
async def test_a_session_s_name_is_no_path_and_no_header(daemon: Start, session: str) -> None:
    service = await daemon()
    line = await service.connect(session_id=session)
    refusal = await line.next()
    assert isinstance(refusal, ErrorMessage)
    assert refusal.error_code is ErrorCode.INVALID_PARAMETER
    assert await line.closed() == (1003, "INVALID_PARAMETER")
    assert not any(session in value for value in line.socket._response.headers.values())
    good = await service.connect()
    assert isinstance(await good.next(), ConnectionEstablished)
    await good.say(Ping())
    assert isinstance(await good.next(), Pong)
