"""A client of the daemon: one connection, one turn after the other, a deadline on everything."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import click
import msgspec

from simplevoice import protocol
from simplevoice.cli.target import TOKEN_VARIABLE, Target

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
MAX_MESSAGE_BYTES = 64 * 2**20
"""A minute of WAV in base64 is about 4 MiB."""

Outcome = protocol.VoiceResponse | protocol.Guidance | protocol.ErrorMessage
"""What ends a turn."""


class ConnectionFailedError(click.ClickException):
    """No conversation with the daemon, or none any more. The message is one line for people."""


class Conversation:
    """An open connection; ``limits`` are what the daemon told."""

    def __init__(self, link: "_Link", limits: protocol.ConnectionLimits) -> None:
        self._link = link
        self.limits = limits

    async def send(self, message: protocol.ClientMessage | bytes) -> None:
        """Send one message. Raises ConnectionFailedError."""
        await self._link.send(message)

    async def receive(self) -> protocol.AnyServerMessage | bytes:
        """Return the next message, whenever it comes. Raises ConnectionFailedError."""
        return await self._link.receive_any()

    async def turn(self, message: protocol.ClientMessage | bytes, seconds: float) -> Outcome:
        """Send an utterance and return how its turn ended. Raises ConnectionFailedError."""
        try:
            async with asyncio.timeout(seconds):
                await self._link.send(message)
                while not isinstance(answer := await self._link.receive(), Outcome):
                    pass
                return answer
        except TimeoutError:
            raise ConnectionFailedError(f"no answer within {seconds:g} s") from None


@asynccontextmanager
async def converse(
    target: Target, parameters: Mapping[str, str], on_text: Callable[[str], None]
) -> AsyncIterator[Conversation]:
    """Connect, and close at the end. ``on_text`` gets every text message as it came. Raises ConnectionFailedError."""
    async with http_session(target) as session:
        websocket = await _connect(session, target.url, parameters)
        link = _Link(websocket, on_text)
        try:
            yield Conversation(link, await _established(link))
        finally:
            await websocket.close()


def http_session(target: Target, **options: Any) -> aiohttp.ClientSession:
    """Make the HTTP client that presents the token, and trusts whom it should."""
    connector = aiohttp.TCPConnector(ssl=target.tls or True)
    return aiohttp.ClientSession(headers=target.headers, connector=connector, **options)


class _Link:
    """Typed messages over a WebSocket."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse, on_text: Callable[[str], None]) -> None:
        self._websocket = websocket
        self._on_text = on_text

    async def send(self, message: protocol.ClientMessage | bytes) -> None:
        """Send one message."""
        try:
            if isinstance(message, bytes):
                await self._websocket.send_bytes(message)
            else:
                await self._websocket.send_str(protocol.encode(message))
        except ConnectionError:
            raise ConnectionFailedError("the daemon closed the connection") from None

    async def receive(self) -> protocol.AnyServerMessage:
        """Return the next text message."""
        while isinstance(message := await self.receive_any(), bytes):
            pass
        return message

    async def receive_any(self) -> protocol.AnyServerMessage | bytes:
        """Return the next message, text or binary."""
        message = await self._websocket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is not aiohttp.WSMsgType.TEXT:
            code, reason = self._websocket.close_code, message.extra
            raise ConnectionFailedError(f"the daemon closed the connection ({code}{f' {reason}' if reason else ''})")
        self._on_text(message.data)
        try:
            return protocol.decode_server(message.data)
        except msgspec.DecodeError as error:
            raise ConnectionFailedError(f"the daemon sent what this version does not understand: {error}") from None


async def _connect(
    session: aiohttp.ClientSession, url: str, parameters: Mapping[str, str]
) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await session.ws_connect(
                url,
                params=parameters,
                max_msg_size=MAX_MESSAGE_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ConnectionFailedError(why_unreachable(url, error)) from None


async def _established(link: _Link) -> protocol.ConnectionLimits:
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
    return first.config.limits


def describe_error(error: protocol.ErrorMessage) -> str:
    """Say an error of the daemon in one line, with the facts that it gave."""
    details = "" if error.details is msgspec.UNSET else f" {msgspec.json.encode(error.details).decode()}"
    return f"{error.error_code}: {error.message}{details}"


def why_unreachable(url: str, error: Exception) -> str:
    """Say in one line why there is no connection, and what to do."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            return f"the certificate of {url} is not trusted: {getattr(cause, 'verify_message', cause)}; see --ca"
        case aiohttp.ClientConnectorSSLError():
            return f"{url} does not speak TLS as it should; try ws:// or another port"
        case aiohttp.ClientConnectorError():
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.os_error)
            return f"no daemon answers at {url}: {reason}. Start one with: simplevoice serve"
        case aiohttp.ClientResponseError(status=401):
            return f"the daemon wants a valid token: use --token-file or {TOKEN_VARIABLE}"
        case aiohttp.ClientResponseError(status=421):
            return f"the daemon does not answer to the name in {url}; its server.allowed_hosts does not list it"
        case aiohttp.ClientResponseError(status=429):
            return "the daemon takes no more connections from this address, or with this token"
        case aiohttp.ClientResponseError(status=404):
            return f"{url} is not a simplevoice daemon, or has another path prefix"
        case aiohttp.ClientResponseError(status=503):
            return "the daemon takes no connection now: it is full, starting or shutting down"
        case aiohttp.ClientResponseError():
            return f"{url} answered {error.status} {error.message}"
        case TimeoutError():
            return f"{url} does not answer"
        case _:
            return f"{url}: {error}"
