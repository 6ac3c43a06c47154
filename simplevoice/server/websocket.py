"""``/ws/simple-voice-chat``: the handshake, and the single read loop of a connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import structlog
from aiohttp import WSMsgType, web
from msgspec import UnsetType

from simplevoice import messages
from simplevoice.config import Config
from simplevoice.conversation import MAX_WAITING, Conversation
from simplevoice.errors import BusyError, ClientError, ErrorCode, RateLimitedError, SimpleVoiceError
from simplevoice.notices import error_message
from simplevoice.performance import TARGET_RESPONSE_TIME
from simplevoice.protocol import (
    MAX_TEXT_CHARACTERS,
    ConnectionConfig,
    ConnectionEstablished,
    ConnectionLimits,
    OpeningParameters,
    encode,
)
from simplevoice.rates import Allowance
from simplevoice.registry import (
    CLOSE_INTERNAL_ERROR,
    CLOSE_NORMAL,
    CLOSE_POLICY,
    CLOSE_TRY_AGAIN_LATER,
    CLOSE_UNSUPPORTED_DATA,
    Connection,
)
from simplevoice.server.admission import admit
from simplevoice.server.keys import LIFECYCLE, LIVE, REGISTRY, SERVICE, SESSIONS
from simplevoice.server.opening import check_opening, check_turns
from simplevoice.settings import Settings

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 20.0
"""Between the pings that find out that a client is gone."""
MAX_REFUSED_IN_A_ROW = 50
"""A client that ignores RATE_LIMITED this often is closed."""

CLOSE_CODES = {ErrorCode.CONNECTION_ID_IN_USE: CLOSE_POLICY, ErrorCode.SERVER_BUSY: CLOSE_TRY_AGAIN_LATER}
"""For who is turned away behind the handshake; else it is the server's fault."""

T = TypeVar("T")


async def simple_voice_chat(request: web.Request) -> web.WebSocketResponse:
    """Hold one client's conversation, from the upgrade to the close."""
    admit(request)
    config = request.app[LIVE].config
    # Base64 takes a third more than what it carries; the rest of a message is small.
    max_message = config.limits.max_audio_bytes * 4 // 3 + 65_536
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=max_message, compress=False)
    await socket.prepare(request)
    try:
        opening = check_opening(request.query, config)
        config = msgspec.structs.replace(config, turns=check_turns(request.query, config.turns))
    except ClientError as error:
        await _refuse(socket, error, config, CLOSE_UNSUPPORTED_DATA)
        return socket
    connection, settings = _open(socket, opening, config)
    try:
        await _converse(request, socket, connection, settings, config)
    except SimpleVoiceError as error:
        log.warning("turned_away", connection_id=connection.id, code=error.code, error=str(error))
        await connection.send(error_message(error, settings.language))
        await connection.close(CLOSE_CODES.get(error.code, CLOSE_INTERNAL_ERROR), str(error.code))
    finally:
        request.app[REGISTRY].remove(connection)
        await _to_its_end(connection.close())
        if connection.unresponsive and request.transport is not None:
            request.transport.abort()  # it would keep what was not sent until the client reads it
    return socket


async def _converse(
    request: web.Request,
    socket: web.WebSocketResponse,
    connection: Connection,
    settings: Settings,
    config: Config,
) -> None:
    """Enter the connection and hold its conversation. Raises SimpleVoiceError where there can be none."""
    app = request.app
    if app[LIFECYCLE].phase != "running":
        raise BusyError("the drain began behind the handshake")
    replaced = app[REGISTRY].add(connection)
    if replaced is not None:
        await replaced.end(CLOSE_POLICY, "replaced")
    async with app[SERVICE].in_use() as engines:
        conversation = Conversation(
            connection,
            settings,
            engines=engines,
            config=config,
            history=app[SESSIONS].open(connection.session_id),
            observation=app[SERVICE].observation,
        )
        connection.owner = conversation
        log.info("connected", connection_id=connection.id, session_id=connection.session_id)
        code, reason = CLOSE_NORMAL, ""
        try:
            await connection.send(_established(connection, settings, config))
            code, reason = await _read(socket, connection, conversation, config)
        except Exception:
            log.exception("connection_crashed", connection_id=connection.id)
            await connection.send(error_message(SimpleVoiceError("crashed"), settings.language))
            code, reason = CLOSE_INTERNAL_ERROR, "internal error"
        finally:
            await _to_its_end(connection.close(code, reason))
            log.info(
                "disconnected",
                connection_id=connection.id,
                session_id=connection.session_id,
                close_code=socket.close_code,
                turns=connection.message_count,
            )


async def _to_its_end(cleanup: Coroutine[Any, Any, None]) -> None:
    """Run a clean-up to its end, also when aiohttp cancels the handler of a client that is gone meanwhile."""
    task = asyncio.create_task(cleanup)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _read(
    socket: web.WebSocketResponse, connection: Connection, conversation: Conversation, config: Config
) -> tuple[int, str]:
    """Hand on message after message until the end; gives the code and reason to close with."""
    rate = config.limits.messages_per_second
    messages_allowed = Allowance(rate, 1, burst=2 * rate)
    refused = 0
    while True:
        try:
            message = await socket.receive(timeout=config.limits.idle_timeout_seconds)
        except TimeoutError:
            return CLOSE_POLICY, "idle timeout"
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return CLOSE_NORMAL, ""
        try:
            if message.type is WSMsgType.TEXT or not conversation.streaming:
                messages_allowed.take()
        except RateLimitedError as error:
            refused += 1
            if refused > MAX_REFUSED_IN_A_ROW:
                return CLOSE_POLICY, "rate limit"
            await connection.send(error_message(error, connection.language))
        else:
            refused = 0
            await conversation.receive(message.data)


async def _refuse(socket: web.WebSocketResponse, error: ClientError, config: Config, code: int) -> None:
    """Say what is wrong and close; a browser could not read an HTTP error of a refused upgrade."""
    log.info("connection_refused", code=error.code, error=str(error))
    await socket.send_str(encode(error_message(error, config.conversation.language)))
    await socket.close(code=code, message=str(error.code).encode())


def _open(socket: web.WebSocketResponse, opening: OpeningParameters, config: Config) -> tuple[Connection, Settings]:
    """Make the connection, and the settings that the client and, where it is silent, the operator chose."""
    defaults = config.conversation
    settings = Settings(
        language=_given(opening.language, defaults.language),
        voice_type=_given(opening.voice_type, defaults.voice_type),
        turn_detection=_given(opening.turn_detection, defaults.turn_detection),
        response_mode=_given(opening.response_mode, defaults.response_mode),
        audio_format=_given(opening.audio_format, defaults.audio_format),
        audio_transport=opening.audio_transport,
    )
    connection_id = _given(opening.connection_id, "")
    connection = Connection(
        socket,
        connection_id=connection_id,
        session_id=_given(opening.session_id, f"simple_{connection_id}"),
        language=settings.language,
        voice_type=settings.voice_type,
        turn_detection=settings.turn_detection,
        send_timeout=config.limits.send_timeout_seconds,
    )
    return connection, settings


def _given(value: T | UnsetType, default: T) -> T:
    return default if isinstance(value, UnsetType) else value


def _established(connection: Connection, settings: Settings, config: Config) -> ConnectionEstablished:
    limits = config.limits
    return ConnectionEstablished(
        connection_id=connection.id,
        session_id=connection.session_id,
        message=messages.text("connection_established", settings.language),
        config=ConnectionConfig(
            language=settings.language,
            voice_type=settings.voice_type,
            target_response_time=TARGET_RESPONSE_TIME,
            turn_detection=settings.turn_detection,
            response_mode=settings.response_mode,
            audio_format=settings.audio_format,
            audio_transport=settings.audio_transport,
            limits=ConnectionLimits(
                max_audio_bytes=limits.max_audio_bytes,
                max_audio_seconds=limits.max_audio_seconds,
                max_text_characters=MAX_TEXT_CHARACTERS,
                max_waiting_utterances=MAX_WAITING,
                messages_per_second=limits.messages_per_second,
                idle_timeout_seconds=limits.idle_timeout_seconds,
            ),
        ),
    )
