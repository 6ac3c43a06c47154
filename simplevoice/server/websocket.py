"""``/ws/simple-voice-chat``: from the handshake to the close."""

from contextlib import suppress
from typing import TypeVar

import structlog
from aiohttp import web
from msgspec import UnsetType

from simplevoice import messages
from simplevoice.caller import Caller
from simplevoice.config import Config, LimitsConfig
from simplevoice.conversation.conversation import Conversation
from simplevoice.conversation.notices import error_message
from simplevoice.conversation.settings import Settings
from simplevoice.conversation.turn_queue import MAX_WAITING
from simplevoice.errors import BusyError, ClientError, ErrorCode, SimpleVoiceError
from simplevoice.outgoing import (
    CLOSE_INTERNAL_ERROR,
    CLOSE_NORMAL,
    CLOSE_POLICY,
    CLOSE_TRY_AGAIN_LATER,
    CLOSE_UNSUPPORTED_DATA,
)
from simplevoice.performance import TARGET_RESPONSE_TIME
from simplevoice.protocol import (
    MAX_TEXT_CHARACTERS,
    ConnectionConfig,
    ConnectionEstablished,
    ConnectionLimits,
    OpeningParameters,
    encoded,
)
from simplevoice.registry import Connection
from simplevoice.server.admission.credentials import offered_protocols, select_protocols
from simplevoice.server.admission.door import admit
from simplevoice.server.keys import LIFECYCLE, LIVE, METRICS, REGISTRY, SERVICE, SESSIONS, STAYS, TRAFFIC
from simplevoice.server.opening import check_opening, default_session, with_turns
from simplevoice.server.reading import read
from simplevoice.server.socket import ClientSocket
from simplevoice.shielded import to_its_end

log = structlog.get_logger(__name__)

CLOSE_CODES = {ErrorCode.CONNECTION_ID_IN_USE: CLOSE_POLICY, ErrorCode.SERVER_BUSY: CLOSE_TRY_AGAIN_LATER}
"""For who is turned away behind the handshake; else it is the server's fault."""

T = TypeVar("T")


async def simple_voice_chat(request: web.Request) -> web.StreamResponse:
    """Hold one client's conversation, from the upgrade to the close."""
    with admit(request) as client:
        config = request.app[LIVE].config
        protocols = select_protocols(offered_protocols(request))
        socket = ClientSocket(_max_message_bytes(config.limits), request.app[TRAFFIC], protocols)
        try:
            await socket.prepare(request)
        except ConnectionError:
            log.info("gone_in_the_handshake")
            return web.Response()  # for nobody; aiohttp wants one that it can try to send
        try:
            await _serve(request, socket, config, client)
        finally:
            socket.release()
            request.app[METRICS].connection_closed(socket.close_code)
        return socket


def _max_message_bytes(limits: LimitsConfig) -> int:
    """Base64 takes a third more than the audio that it carries; the rest of a message is small."""
    return limits.max_audio_bytes * 4 // 3 + 65_536


async def _serve(request: web.Request, socket: ClientSocket, config: Config, client: Caller) -> None:
    try:
        opening = check_opening(request.query, config)
        config = with_turns(request.query, config)
    except ClientError as error:
        await _refuse(socket, error, config, CLOSE_UNSUPPORTED_DATA)
        return
    connection, settings = _open(socket, opening, config, client)
    try:
        await _converse(request, socket, connection, settings, config)
    except SimpleVoiceError as error:
        write = log.info if isinstance(error, ClientError) else log.warning
        write("turned_away", connection_id=connection.id, code=error.code, error=str(error))
        await connection.send(error_message(error, settings.language))
        await connection.close(CLOSE_CODES.get(error.code, CLOSE_INTERNAL_ERROR), str(error.code))
    finally:
        request.app[REGISTRY].remove(connection)
        await to_its_end(connection.close())


async def _converse(
    request: web.Request,
    socket: ClientSocket,
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
    async with app[SERVICE].in_use() as lender:
        conversation = Conversation(
            connection,
            settings,
            lender=lender,
            config=config,
            history=app[SESSIONS].open(connection.owned_session),
            observation=app[SERVICE].observation,
            turnstile=app[SERVICE].turnstile,
        )
        connection.owner = conversation
        stay = app[STAYS].begin(connection, config.limits)
        code, reason = CLOSE_NORMAL, ""
        try:
            await connection.send(_established(connection, settings, config))
            log.info(
                "connected",
                connection_id=connection.id,
                session_id=connection.session_id,
                client=connection.client.name,
                address=connection.client.address,
            )
            code, reason = await read(socket, connection, conversation, config.limits, stay)
        except Exception:
            log.exception("connection_crashed", connection_id=connection.id)
            await connection.send(error_message(SimpleVoiceError("crashed"), settings.language))
            code, reason = CLOSE_INTERNAL_ERROR, "internal error"
        finally:
            await to_its_end(_leave(app, socket, connection, code, reason))


async def _leave(app: web.Application, socket: ClientSocket, connection: Connection, code: int, reason: str) -> None:
    """Close the connection, where that was not begun for another reason, and say in the log how it ended."""
    app[SESSIONS].leave(connection.owned_session)
    await app[STAYS].leave(connection, code, reason)
    log.info(
        "disconnected",
        connection_id=connection.id,
        session_id=connection.session_id,
        close_code=socket.close_code,
        reason=connection.close_reason or None,
        turns=connection.message_count,
    )


async def _refuse(socket: ClientSocket, error: ClientError, config: Config, code: int) -> None:
    """Say what is wrong and close; a browser could not read an HTTP error of a refused upgrade."""
    log.info("connection_refused", code=error.code, error=str(error))
    with suppress(ConnectionError):
        await socket.send_text(encoded(error_message(error, config.conversation.language)))
        await socket.close(code=code, message=str(error.code).encode())


def _open(
    socket: ClientSocket, opening: OpeningParameters, config: Config, client: Caller
) -> tuple[Connection, Settings]:
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
        session_id=_given(opening.session_id, default_session(connection_id)),
        client=client,
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
                turns_per_minute=limits.turns_per_minute,
                audio_seconds_per_minute=limits.audio_seconds_per_minute,
                turn_wait_seconds=limits.turn_wait_seconds,
                turn_timeout_seconds=limits.turn_timeout_seconds,
                next_sound_seconds=limits.next_sound_seconds,
                idle_timeout_seconds=limits.idle_timeout_seconds,
                max_session_seconds=limits.max_session_seconds,
            ),
        ),
    )
