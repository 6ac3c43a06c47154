"""A client of the daemon, for programs: one connection, typed messages, a deadline on everything that has an end.

    async with connect("ws://127.0.0.1:8000", language="en") as conversation:
        outcome = await conversation.turn(TextMessage(text="Good morning."))

A connection that is lost is not made again: whoever talks knows whether to go on, and with which ``session_id``.
"""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypedDict, Unpack

import aiohttp
import msgspec

from simplevoice import protocol
from simplevoice.address import DEFAULT_URL, chat_url, speak_url
from simplevoice.errors import ConnectionFailedError
from simplevoice.reach import describe_error, http_session, unreachable
from simplevoice.types import AudioFormat, AudioTransport, Language, ResponseMode, TurnDetection, VoiceType

CONNECT_SECONDS = 10.0
SEND_SECONDS = 10.0
"""A daemon that takes nothing for this long is given up."""
CLOSE_SECONDS = 2.0
TURN_SECONDS = 90.0
MAX_MESSAGE_BYTES = 64 * 2**20
"""A minute of WAV in base64 is about 4 MiB."""

Outcome = protocol.VoiceResponse | protocol.Guidance | protocol.Interrupted | protocol.ErrorMessage
"""What ends a turn."""


class Opening(TypedDict, total=False):
    """What a conversation is asked to be; the rest is the daemon's to choose. See docs/protocol.md, "Opening"."""

    connection_id: str
    session_id: str
    language: Language
    voice_type: VoiceType
    turn_detection: TurnDetection
    response_mode: ResponseMode
    audio_format: AudioFormat
    audio_transport: AudioTransport
    half_duplex: bool
    min_speech_ms: int
    pre_roll_ms: int
    tentative_ms: int
    resume_ms: int
    silence_ms: int
    max_silence_ms: int
    start_threshold: float
    stop_threshold: float


class Delivery(TypedDict, total=False):
    """How a text is to be spoken; the rest is the daemon's to choose. See docs/protocol.md, "Speaking a text"."""

    language: Language
    voice_type: VoiceType
    voice: str
    rate: str
    audio_format: AudioFormat


class Conversation:
    """An open connection. ``established`` is the daemon's first message, with what is in force and its limits.

    One task at a time may receive; others may send meanwhile, such as an ``Interrupt``.
    """

    def __init__(self, link: "_Link", established: protocol.ConnectionEstablished) -> None:
        self._link = link
        self.established: Final = established

    @property
    def limits(self) -> protocol.ConnectionLimits:
        """The bounds that the daemon told of."""
        return self.established.config.limits

    async def send(self, message: protocol.ClientMessage | bytes) -> None:
        """Send a message, or sound. Raises ConnectionFailedError."""
        await self._link.send(message)

    async def receive(self) -> protocol.AnyServerMessage:
        """Return the next message, whenever it comes. Raises ConnectionFailedError.

        An ``audio_chunk`` has its sound in ``audio_base64``, decoded, however it travelled.
        """
        return await self._link.receive()

    async def ask(self, message: protocol.ClientMessage | bytes) -> AsyncIterator[protocol.AnyServerMessage]:
        """Send an utterance, and give what comes until its turn is over; the last message is its Outcome.

        For connections without ``server_vad``, one turn at a time, each taken to its end; an ``Interrupt`` brings that
        about. Raises ConnectionFailedError.
        """
        await self._link.send(message)
        while True:
            answer = await self._link.receive()
            yield answer
            if isinstance(answer, Outcome):
                return

    async def turn(self, message: protocol.ClientMessage | bytes, seconds: float = TURN_SECONDS) -> Outcome:
        """Send an utterance and return how its turn ended, with all of the reply's sound in ``audio_base64``.

        Raises ConnectionFailedError, also where there is no answer within ``seconds``; leave the conversation then, as
        a late answer would be taken for the next.
        """
        sound = bytearray()
        try:
            async with asyncio.timeout(seconds):
                async for answer in self.ask(message):
                    if isinstance(answer, protocol.AudioChunk):
                        sound += answer.audio_base64 or b""
        except TimeoutError:
            raise ConnectionFailedError(f"no answer within {seconds:g} s") from None
        if isinstance(answer, protocol.VoiceResponse) and answer.audio_base64 is msgspec.UNSET:
            return msgspec.structs.replace(answer, audio_base64=bytes(sound))
        assert isinstance(answer, Outcome)  # noqa: S101 - ask ends with one
        return answer


@asynccontextmanager
async def connect(
    url: str = DEFAULT_URL,
    *,
    token: str | None = None,
    ticket: str | None = None,
    tls: ssl.SSLContext | None = None,
    on_text: Callable[[str], None] | None = None,
    **opening: Unpack[Opening],
) -> AsyncIterator[Conversation]:
    """Connect, and close at the end. Raises ConnectionFailedError, and ValueError for what is no URL.

    ``url`` may be a bare ``ws://HOST:PORT``; ``tls`` says whom to trust, the system's authorities otherwise;
    ``on_text`` gets every text message as it came. Without a ``connection_id`` one is made.
    """
    query = {"connection_id": f"client-{uuid.uuid4().hex[:12]}", "ticket": ticket, **opening}
    address = chat_url(url)
    async with http_session(token, tls) as session:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                websocket = await session.ws_connect(
                    address,
                    params={name: _as_text(value) for name, value in query.items() if value is not None},
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(address, error) from error
        try:
            link = _Link(websocket, on_text)
            yield Conversation(link, await _established(link))
        finally:
            await websocket.close()


async def speak(
    text: str,
    url: str = DEFAULT_URL,
    *,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    seconds: float = TURN_SECONDS,
    **delivery: Unpack[Delivery],
) -> bytes:
    """Have a text spoken, without a conversation; gives the sound, in the format that was asked for.

    Raises ConnectionFailedError, also where it is not there within ``seconds``, and ValueError for what is no URL.
    """
    address = speak_url(chat_url(url))
    try:
        async with (
            asyncio.timeout(seconds),
            http_session(token, tls) as session,
            session.post(address, json={"text": text, **delivery}) as response,
        ):
            if response.content_type == "application/json":
                raise _not_spoken(response.status, await response.text())
            response.raise_for_status()
            return await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unreachable(address, error) from error


def _not_spoken(status: int, text: str) -> ConnectionFailedError:
    try:
        told = protocol.decode_server(text)
    except msgspec.DecodeError:
        told = None
    words = describe_error(told) if isinstance(told, protocol.ErrorMessage) else f"the daemon answered {status}"
    return ConnectionFailedError(words, status=status)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Link:
    """Typed messages over a WebSocket."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse, on_text: Callable[[str], None] | None) -> None:
        self._websocket = websocket
        self._on_text = on_text
        self._announced: protocol.AudioChunk | None = None

    async def send(self, message: protocol.ClientMessage | bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                if isinstance(message, bytes):
                    await self._websocket.send_bytes(message)
                else:
                    await self._websocket.send_str(protocol.encode(message))
        except ConnectionError:
            raise self._closed("") from None
        except TimeoutError:
            raise ConnectionFailedError(f"the daemon takes nothing for {SEND_SECONDS:g} s") from None

    async def receive(self) -> protocol.AnyServerMessage:
        """Return the next message, with the sound that it announced. What was announced survives a cancellation."""
        while True:
            message = await self._websocket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                decoded = self._decode(message.data)
                if not isinstance(decoded, protocol.AudioChunk) or decoded.audio_base64 is not msgspec.UNSET:
                    return decoded
                if self._announced is not None:
                    raise ConnectionFailedError("the daemon announced sound that it did not send")
                self._announced = decoded
            elif message.type is not aiohttp.WSMsgType.BINARY:
                raise self._closed(message.extra)
            elif self._announced is None:
                raise ConnectionFailedError("the daemon sent sound that it had not announced")
            else:
                chunk, self._announced = self._announced, None
                return msgspec.structs.replace(chunk, audio_base64=bytes(message.data))

    def _decode(self, text: str) -> protocol.AnyServerMessage:
        if self._on_text:
            self._on_text(text)
        try:
            return protocol.decode_server(text)
        except msgspec.DecodeError as error:
            raise ConnectionFailedError(f"the daemon sent what this version does not understand: {error}") from None

    def _closed(self, reason: str | None) -> ConnectionFailedError:
        code = self._websocket.close_code
        words = " ".join(str(part) for part in (code, reason) if part)
        return ConnectionFailedError(
            f"the daemon closed the connection{f' ({words})' if words else ''}", close_code=code
        )


async def _established(link: _Link) -> protocol.ConnectionEstablished:
    """Wait for the daemon's first message; an error in its place says what it does not accept."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            first = await link.receive()
    except TimeoutError:
        raise ConnectionFailedError(f"the daemon said nothing within {CONNECT_SECONDS:g} s") from None
    if isinstance(first, protocol.ErrorMessage):
        raise ConnectionFailedError(describe_error(first))
    if not isinstance(first, protocol.ConnectionEstablished):
        raise ConnectionFailedError("the daemon did not begin with connection_established")
    return first
