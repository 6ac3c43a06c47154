"""Texts on their way through the edge-tts package, and what it runs into, in an operator's words.

To import it takes as long as several other libraries: aiohttp and edge-tts itself read all certificates, three times.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
from edge_tts import Communicate
from edge_tts.drm import DRM
from edge_tts.exceptions import NoAudioReceived, SkewAdjustmentError, WebSocketError

from simplevoice.errors import ErrorCode, SpeechError
from simplevoice.reasons import system_words
from simplevoice.tts import PROBE_TEXT
from simplevoice.tts.connections import Connector, Spare

if TYPE_CHECKING:
    from edge_tts.typing import TTSChunk


class Requests:
    """Begins requests, one connection each: edge-tts opens its WebSocket anew for every text.

    The connection for the next text is opened when one is expected, and beside the one that speaks: it then waits for
    two round trips and the look-up of a name less.
    """

    def __init__(self, proxy: str | None, connect_seconds: float) -> None:
        self._proxy = proxy
        self._spare = Spare(self._dial, connect_seconds)

    @property
    def clock_skew_seconds(self) -> float:
        """What Edge's Date header made edge-tts add to the clock."""
        skew: float = DRM.clock_skew_seconds
        return skew

    def expect(self) -> None:
        """Open a connection, unless one is there."""
        self._spare.prepare()

    async def begin(self, text: str, voice: str, rate: str, *, named: bool) -> "Request":
        """Ask for a text. ``named`` tells that the client chose the voice. Raises SpeechError."""
        try:
            communicate = Communicate(text, voice, rate=rate, boundary="WordBoundary", proxy=self._proxy)
        except ValueError as error:
            raise SpeechError(f"Edge can't be asked so: {error}", code=ErrorCode.INVALID_PARAMETER) from error
        communicate.connector = connector = await self._spare.take()
        return Request(communicate, connector, named=named)

    async def drop(self) -> None:
        """Close what is open ahead."""
        await self._spare.drop()

    async def _dial(self, connector: Connector) -> None:
        """Begin to ask as edge-tts does, which knows the host, what to trust and the proxy."""
        await anext(Communicate(PROBE_TEXT["en"], connector=connector, proxy=self._proxy).stream())


class Request:
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
