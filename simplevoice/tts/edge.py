"""Edge's voices, through the edge-tts package: the best ones without an account, from an unofficial service.

It fails in known ways, and all become SpeechError: 403 when the clock is off and edge-tts can't set it right, 429 and
503 when it is pressed, no audio for a voice that was withdrawn, silence, a connection that ends in the middle.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from edge_tts import Communicate
from edge_tts.drm import DRM
from edge_tts.exceptions import NoAudioReceived, SkewAdjustmentError, WebSocketError

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engine import EngineHealth, EngineState
from simplevoice.errors import ErrorCode, SpeechBrokenOffError, SpeechError
from simplevoice.reasons import system_words
from simplevoice.tts import PROBE_TEXT, Speaker, SpeechChunk, Voice, VoiceInfo, speakable
from simplevoice.tts.connections import Connector, Spare
from simplevoice.tts.progress import SAMPLE_RATE, Progress
from simplevoice.types import LANGUAGES, VOICE_TYPES

if TYPE_CHECKING:
    from edge_tts.typing import TTSChunk

OWN_NAME = re.compile(r"[a-z]{2,3}-[A-Z]{2}-[A-Za-z-]+Neural")


class EdgeProbe(msgspec.Struct, frozen=True):
    """What one short sentence showed: how long its first audio took, and by how much this machine's clock is off.

    ``clock_skew_seconds`` is what Edge's Date header made edge-tts add to the clock; 0 where Edge took the clock as it
    is, which it does when it is right within about five minutes.
    """

    first_audio_ms: float
    clock_skew_seconds: float


class EdgeSpeaker(Speaker):
    """Speaks through Edge, one connection an utterance: edge-tts opens its WebSocket anew for every text.

    While it is loaded, the connection for the next utterance is opened when one is expected, and beside the one that
    speaks: it then waits for two round trips and the look-up of a name less.
    """

    name = "edge"

    def __init__(
        self,
        config: TtsConfig,
        voices: VoicesConfig,
        models: ModelsConfig,
        *,
        connect_seconds: float = 5.0,
        receive_seconds: float = 5.0,
    ) -> None:
        """``connect_seconds`` bounds the way to the first message, ``receive_seconds`` each wait for the next."""
        self._config = config
        self._voices = voices
        self._connect_seconds = connect_seconds
        self._receive_seconds = receive_seconds
        self._spare = Spare(self._dial, connect_seconds)
        self._state: EngineState = "stopped"

    async def load(self) -> None:
        self._state = "ready"

    async def release(self) -> None:
        await self._spare.drop()

    async def close(self) -> None:
        self._state = "stopped"
        await self._spare.drop()

    def health(self) -> EngineHealth:
        return EngineHealth(engine=self.name, state=self._state)

    def supports(self, voice: Voice) -> bool:
        return True

    def expect(self) -> None:
        if self._state == "ready":
            self._spare.prepare()

    async def voices(self) -> tuple[VoiceInfo, ...]:
        """List the configured voices. Whether Edge still has them, only ``probe`` can tell."""
        return tuple(
            VoiceInfo(language, kind, self.name, self._voice_name(Voice(language, kind)), True)
            for language in LANGUAGES
            for kind in VOICE_TYPES
        )

    async def probe(self, voice: Voice) -> EdgeProbe:
        """Speak one word. Raises SpeechError, which says why Edge can't be used."""
        started = time.perf_counter()
        first_audio_ms = 0.0
        async with aclosing(self.synthesize(PROBE_TEXT[voice.language], voice)) as chunks:
            async for _ in chunks:
                first_audio_ms = first_audio_ms or (time.perf_counter() - started) * 1000
        return EdgeProbe(first_audio_ms, DRM.clock_skew_seconds)

    async def synthesize(self, text: str, voice: Voice) -> AsyncGenerator[SpeechChunk]:
        """Raise SpeechBrokenOffError, which knows what is left to say, where Edge fails after some audio."""
        progress = Progress(speakable(text))
        request = await self._request(progress.text, voice)
        seconds = self._connect_seconds
        try:
            while (message := await request.next(seconds)) is not None:
                seconds = self._receive_seconds
                if message["type"] != "audio":
                    progress.pronounced(message["text"], message["offset"] + message["duration"])
                elif frames := progress.take(message["data"]):
                    yield SpeechChunk(frames, "mp3", SAMPLE_RATE, self.name)
        except SpeechError as error:
            if progress.samples == 0:
                raise
            raise SpeechBrokenOffError(f"{error}, after {progress.seconds:.1f} s of speech", progress.rest) from error
        finally:
            await request.drop()
        if progress.samples == 0:
            raise SpeechError("Edge sent audio that is no MP3")

    async def _request(self, text: str, voice: Voice) -> "_Request":
        name = self._voice_name(voice)
        try:
            communicate = Communicate(
                text,
                name,
                rate=voice.rate or self._config.rate,
                boundary="WordBoundary",
                proxy=self._config.proxy,
            )
        except ValueError as error:
            raise SpeechError(f"Edge can't be asked so: {error}", code=ErrorCode.INVALID_PARAMETER) from error
        communicate.connector = connector = await self._spare.take()
        self.expect()
        return _Request(communicate, connector, named=name == voice.name)

    async def _dial(self, connector: Connector) -> None:
        """Begin to ask as edge-tts does, which knows the host, what to trust and the proxy."""
        await anext(Communicate(PROBE_TEXT["en"], connector=connector, proxy=self._config.proxy).stream())

    def _voice_name(self, voice: Voice) -> str:
        if voice.name and OWN_NAME.fullmatch(voice.name):
            return voice.name
        name: str = getattr(self._voices, f"{voice.language}_{voice.voice_type}")
        return name


class _Request:
    """One text on its way through edge-tts, that can be dropped at once."""

    def __init__(self, communicate: Communicate, connector: Connector, *, named: bool) -> None:
        """``named`` tells that the client chose the voice: that there is none of that name is then its own doing."""
        self._communicate = communicate
        self._connector = connector
        self._named = named
        self._stream = communicate.stream()
        self._pull: asyncio.Future[TTSChunk | None] | None = None
        self._received = 0

    async def next(self, seconds: float) -> "TTSChunk | None":
        """Return the next message, None when the service said that it is done. Raises SpeechError."""
        self._pull = asyncio.ensure_future(anext(self._stream, None))
        done, _ = await asyncio.wait({self._pull}, timeout=seconds)
        if not done:
            raise SpeechError(f"Edge gave nothing for {seconds:g} s")
        try:
            message = self._pull.result()
        except Exception as error:
            raise self._failure(error) from error
        if message is None and self._communicate.state["cumulative_audio_bytes"] != self._received:
            # edge-tts adds up what it received when the service says turn.end, and takes a lost connection for an end.
            raise SpeechError("Edge closed the connection in the middle")
        if message is not None and message["type"] == "audio":
            self._received += len(message["data"])
        return message

    async def drop(self) -> None:
        """Close the socket and end the stream, wherever it is. Harmless when it has ended."""
        # The socket goes first: edge-tts would say goodbye to a service that hangs, and wait 10 s for its answer.
        await self._connector.drop()
        if self._pull is not None:
            self._pull.cancel()
            await asyncio.gather(self._pull, return_exceptions=True)
        # Reading to the end closes the generators inside edge-tts in order; aclose() would leave that to the collector.
        with suppress(Exception):
            async for _ in self._stream:
                pass

    def _failure(self, error: Exception) -> SpeechError:
        """Say in an operator's words what edge-tts ran into. No address of a proxy: it may hold a password."""
        match error:
            case aiohttp.ClientHttpProxyError():
                return SpeechError(f"the proxy before Edge answered HTTP {error.status}")
            case aiohttp.ClientResponseError(status=403):
                skew = round(DRM.clock_skew_seconds)
                return SpeechError(f"Edge refused the token (HTTP 403), also with the clock set by {skew:+d} s")
            case aiohttp.ClientResponseError(status=429 | 503):
                return SpeechError(f"Edge is busy (HTTP {error.status})")
            case aiohttp.ClientResponseError():
                return SpeechError(f"Edge answered HTTP {error.status}")
            case SkewAdjustmentError():
                return SpeechError("Edge refused the token (HTTP 403) and told no time to set the clock by")
            case NoAudioReceived():
                code = ErrorCode.INVALID_PARAMETER if self._named else None
                return SpeechError(f"Edge gave no audio for {self._communicate.tts_config.voice}", code=code)
            case OSError():
                return SpeechError(f"Edge can't be reached: {system_words(error)}")
            case WebSocketError() | aiohttp.ClientError():
                return SpeechError(f"Edge can't be reached: {type(error).__name__}")
            case _:
                return SpeechError(f"Edge sent what edge-tts does not understand: {type(error).__name__}")
