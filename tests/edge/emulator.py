"""The service itself: TLS, the token, the WebSocket messages, and the ways in which it fails."""

import asyncio
import json
import ssl
import time
import uuid
from collections.abc import Callable
from email.utils import formatdate
from enum import StrEnum, auto
from functools import cache
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree

import aiohttp.abc
import certifi
import edge_tts.communicate
import msgspec
import trustme
from aiohttp import web
from edge_tts.constants import TRUSTED_CLIENT_TOKEN
from edge_tts.drm import generate_sec_ms_gec_v2

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.tts import Voice
from simplevoice.tts.espeak import EspeakSpeaker
from simplevoice.types import Language
from tests.edge.proxy import ConnectProxy
from tests.edge.sound import TICKS_PER_SECOND, mp3_of, ticks_of, words_of

HOST = "speech.platform.bing.com"
PATH = "/consumer/speech/synthesize/readaloud/edge/v1"
CHUNK_BYTES = 720
TOKEN_WINDOW_SECONDS = 300
SSML = "{http://www.w3.org/2001/10/synthesis}"
SITE = Path(__file__).parent / "site"
MALE = ("Hamed", "Guy")


class Fault(StrEnum):
    """How it fails."""

    FORBIDDEN = auto()
    FORBIDDEN_WITHOUT_TIME = auto()
    TOO_MANY_REQUESTS = auto()
    UNAVAILABLE = auto()
    NOT_FOUND = auto()
    SILENT_HANDSHAKE = auto()
    SLOW_FIRST_BYTE = auto()
    NO_AUDIO = auto()
    STALL_IN_THE_MIDDLE = auto()
    CLOSE_IN_THE_MIDDLE = auto()
    RESET_IN_THE_MIDDLE = auto()
    GARBAGE_TEXT = auto()
    GARBAGE_BINARY = auto()
    GARBAGE_AUDIO = auto()


_STATUS: dict[Fault | None, int] = {
    Fault.FORBIDDEN: 403,
    Fault.FORBIDDEN_WITHOUT_TIME: 403,
    Fault.TOO_MANY_REQUESTS: 429,
    Fault.UNAVAILABLE: 503,
    Fault.NOT_FOUND: 404,
}


class Spoken(msgspec.Struct, frozen=True):
    """A text that the service was asked to speak, as it understood the request."""

    text: str
    voice: str
    rate: str
    output_format: str
    word_boundaries: bool


class Pace(msgspec.Struct, frozen=True):
    """How fast it answers: seconds from a request to its first audio, then so many seconds of speech a second."""

    first_audio_seconds: float
    speed: float


class EdgeEmulator:
    """Serves until the context ends. In this process edge-tts trusts its CA from the first one on.

    It is reached through ``proxy_url``, or through ``resolver``. ``fault`` may be set at any time. ``hanging`` is set
    when a request hangs by its fault, and it goes on when ``go_on`` is set. ``unused`` is set while nobody is
    connected. ``clock`` is the service's own. Without a ``pace`` it is as fast as it can be.
    """

    def __init__(
        self, fault: Fault | None = None, *, clock: Callable[[], float] = time.time, pace: Pace | None = None
    ) -> None:
        self.fault = fault
        self.clock = clock
        self._pace = pace
        self._known: dict[Spoken, bytes] = {}
        """What was spoken before, as MP3: how long espeak takes is no part of a pace."""
        self.handshakes: list[web.Request] = []
        self.spoken: list[Spoken] = []
        self.requests: list[str] = []
        """What was asked to be spoken, as it stood on the wire."""
        self.hanging = asyncio.Event()
        self.go_on = asyncio.Event()
        self.unused = asyncio.Event()
        self.unused.set()
        self._connections = 0
        self._speaker = EspeakSpeaker(TtsConfig(), VoicesConfig(), ModelsConfig())
        app = web.Application()
        app.router.add_get(PATH, self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=5, access_log=None)

    async def __aenter__(self) -> Self:
        _trust_in_this_process()
        await self._speaker.load()
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _ca().issue_cert(HOST).configure_cert(context)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.port: int = self._runner.addresses[0][1]
        self.proxy = ConnectProxy(self.port)
        await self.proxy.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.go_on.set()
        await self.proxy.close()
        await self._runner.cleanup()
        await self._speaker.close()

    @property
    def proxy_url(self) -> str:
        """An HTTP proxy through which every host is this service."""
        return self.proxy.url

    @property
    def resolver(self) -> "EdgeResolver":
        """A resolver for which every host is this service."""
        return EdgeResolver(self.port)

    def environment(self, folder: Path) -> dict[str, str]:
        """What a simplevoice that a test starts needs in its environment to reach and trust this service."""
        bundle = folder / "ca.pem"
        bundle.write_bytes(Path(certifi.where()).read_bytes() + _ca().cert_pem.bytes())
        return {
            "PYTHONPATH": str(SITE),
            "EDGE_EMULATOR_CA_BUNDLE": str(bundle),
            "SIMPLEVOICE_TTS_PROXY": self.proxy_url,
        }

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append(request)
        self.unused.clear()
        self._connections += 1
        try:
            return await self._answer(request)
        finally:
            self._connections -= 1
            if self._connections == 0:
                self.unused.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.fault is Fault.SILENT_HANDSHAKE:
            await self._hang()
        if self.fault in _STATUS or not self._token_is_right(request):
            date = "at no time" if self.fault is Fault.FORBIDDEN_WITHOUT_TIME else formatdate(self.clock(), usegmt=True)
            return web.Response(status=_STATUS.get(self.fault, 403), headers={"Date": date})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        config = _body(await socket.receive_str(), "speech.config")
        self.requests.append(await socket.receive_str())
        ssml = _body(self.requests[-1], "ssml")
        spoken = _understand(json.loads(config), ssml)
        self.spoken.append(spoken)
        await self._speak(_Turn(request, socket), spoken)
        await socket.close()
        return socket

    async def _hang(self) -> None:
        self.hanging.set()
        await self.go_on.wait()

    def _token_is_right(self, request: web.Request) -> bool:
        if request.query.get("TrustedClientToken") != TRUSTED_CLIENT_TOKEN:
            return False
        now = self.clock()
        windows = (now, now - TOKEN_WINDOW_SECONDS, now + TOKEN_WINDOW_SECONDS)
        return request.query.get("Sec-MS-GEC") in [generate_sec_ms_gec_v2(window) for window in windows]

    async def _speak(self, turn: "_Turn", spoken: Spoken) -> None:
        asked = asyncio.get_running_loop().time()
        if self.fault is Fault.SLOW_FIRST_BYTE:
            await self._hang()
        await turn.send_text("turn.start", {"context": {"serviceTag": uuid.uuid4().hex}})
        await turn.send_text("response", {"context": {"serviceTag": ""}, "audio": {"type": "inline"}})
        if self.fault is Fault.GARBAGE_TEXT:
            await turn.socket.send_str("no header and no body")
        if self.fault is Fault.GARBAGE_BINARY:
            await turn.socket.send_bytes(b"\x00\x10 neither header")
        if self.fault is not Fault.NO_AUDIO:
            if spoken not in self._known:
                self._known[spoken] = await mp3_of(spoken.text, _voice(spoken), self._speaker)
            if not await self._send_audio(turn, spoken, self._known[spoken], asked):
                return
        await turn.send_end_of_audio()
        await turn.send_text("turn.end", {})

    async def _send_audio(self, turn: "_Turn", spoken: Spoken, mp3: bytes, asked: float) -> bool:
        """Send the audio and its words; False when the fault is that it ends in the middle."""
        words = words_of(spoken.text, ticks_of(mp3)) if spoken.word_boundaries else []
        for start in range(0, len(mp3), CHUNK_BYTES):
            if start > len(mp3) // 2 and await self._fails_in_the_middle(turn):
                return False
            if self._pace is not None:
                due = (
                    asked + self._pace.first_audio_seconds + ticks_of(mp3[:start]) / TICKS_PER_SECOND / self._pace.speed
                )
                await asyncio.sleep(due - asyncio.get_running_loop().time())
            while words and words[0][1] < ticks_of(mp3[: start + CHUNK_BYTES]):
                await turn.send_word(*words.pop(0))
            data = mp3[start : start + CHUNK_BYTES]
            await turn.send_audio(bytes(len(data)) if self.fault is Fault.GARBAGE_AUDIO else data)
        return True

    async def _fails_in_the_middle(self, turn: "_Turn") -> bool:
        if self.fault is Fault.STALL_IN_THE_MIDDLE:
            await self._hang()
        if self.fault is Fault.RESET_IN_THE_MIDDLE:
            turn.abort()
        return self.fault in (Fault.CLOSE_IN_THE_MIDDLE, Fault.RESET_IN_THE_MIDDLE)


class _Turn:
    """The messages of one answer."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._request = request
        self._request_id = uuid.uuid4().hex
        self._stream_id = uuid.uuid4().hex.upper()

    async def send_text(self, path: str, body: dict[str, Any]) -> None:
        await self.socket.send_str(
            f"X-RequestId:{self._request_id}\r\nContent-Type:application/json; charset=utf-8\r\n"
            f"Path:{path}\r\n\r\n{json.dumps(body)}"
        )

    async def send_word(self, word: str, offset: int, duration: int) -> None:
        text = {"Text": word, "Length": len(word), "BoundaryType": "WordBoundary"}
        data = {"Offset": offset, "Duration": duration, "text": text}
        await self.send_text("audio.metadata", {"Metadata": [{"Type": "WordBoundary", "Data": data}]})

    async def send_audio(self, data: bytes) -> None:
        await self._send_binary("Content-Type:audio/mpeg\r\n", data)

    async def send_end_of_audio(self) -> None:
        await self._send_binary("", b"")

    def abort(self) -> None:
        """Drop the connection without a word."""
        assert self._request.transport is not None
        self._request.transport.abort()

    async def _send_binary(self, content_type: str, data: bytes) -> None:
        head = (
            f"X-RequestId:{self._request_id}\r\n{content_type}X-StreamId:{self._stream_id}\r\nPath:audio\r\n".encode()
        )
        await self.socket.send_bytes(len(head).to_bytes(2, "big") + head + data)


class EdgeResolver(aiohttp.abc.AbstractResolver):
    """Finds every host at one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[aiohttp.abc.ResolveResult]:
        address = aiohttp.abc.ResolveResult(
            hostname=host, host="127.0.0.1", port=self._port, family=2, proto=6, flags=0
        )
        return [address]

    async def close(self) -> None:
        return


@cache
def _ca() -> trustme.CA:
    return trustme.CA()


@cache
def _trust_in_this_process() -> None:
    """Add the CA to what edge-tts trusts. It makes its TLS context when it is imported, from certifi alone."""
    edge_tts.communicate._SSL_CTX.load_verify_locations(cadata=_ca().cert_pem.bytes().decode())


def _body(message: str, path: str) -> str:
    head, _, body = message.partition("\r\n\r\n")
    headers = dict(line.split(":", 1) for line in head.split("\r\n"))
    assert headers["Path"] == path, headers
    return body


def _understand(config: dict[str, Any], ssml: str) -> Spoken:
    audio = config["context"]["synthesis"]["audio"]
    voice = ElementTree.fromstring(ssml).find(f"{SSML}voice")
    assert voice is not None
    prosody = voice.find(f"{SSML}prosody")
    assert prosody is not None
    return Spoken(
        text="".join(prosody.itertext()),
        voice=voice.attrib["name"],
        rate=prosody.attrib["rate"],
        output_format=audio["outputFormat"],
        word_boundaries=audio["metadataoptions"]["wordBoundaryEnabled"] == "true",
    )


def _voice(spoken: Spoken) -> Voice:
    """The voice of espeak that stands for one of the service's, such as "... Voice (ar-SA, HamedNeural)"."""
    language: Language = "ar" if "(ar-" in spoken.voice else "en"
    return Voice(language, "male" if any(name in spoken.voice for name in MALE) else "female", rate=spoken.rate)
