"""``POST /ws/simple-voice-chat/speak``: a text comes back as speech, without a conversation."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import structlog
from aiohttp import hdrs, web
from msgspec import UNSET

from simplevoice.caller import Caller
from simplevoice.config import Config, LimitsConfig
from simplevoice.conversation.notices import error_message
from simplevoice.errors import ClientError, ErrorCode, RateLimitedError, SimpleVoiceError
from simplevoice.protocol import SpeakRequest, decode_speak, encode
from simplevoice.server.admission.cross_origin import readable
from simplevoice.server.admission.door import admit
from simplevoice.server.keys import LIVE, SERVICE, SPEECHES
from simplevoice.synthesis import Script, Synthesis
from simplevoice.tts import Voice, language_of
from simplevoice.types import AudioFormat, Language

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 64 * 1024
"""The longest text in the longest spelling of JSON takes 48,000."""

CONTENT_TYPES: Final[dict[AudioFormat, str]] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/ogg; codecs=opus",
    "pcm16": "application/octet-stream",
}
"""No type is registered for bare little-endian samples; audio/L16 (RFC 2586) is big-endian."""

REFUSALS: Final[dict[ErrorCode, type[web.HTTPError]]] = {
    ErrorCode.INVALID_JSON: web.HTTPBadRequest,
    ErrorCode.INVALID_MESSAGE: web.HTTPBadRequest,
    ErrorCode.RATE_LIMITED: web.HTTPTooManyRequests,
    ErrorCode.SERVER_BUSY: web.HTTPServiceUnavailable,
    ErrorCode.TURN_TIMEOUT: web.HTTPGatewayTimeout,
}
"""Whatever else goes wrong is the daemon's fault: 500."""


async def speak(request: web.Request) -> web.StreamResponse:
    """Speak a text, and send the speech as it is made. Raises what the door raises, and errors as JSON."""
    speeches = request.app[SPEECHES]
    with readable(request) as headers, admit(request) as caller, speeches.in_progress():
        config = request.app[LIVE].config
        language = config.conversation.language
        try:
            wanted = decode_speak(await _read(request, config.limits))
            language = _language_of(wanted) or language
            speeches.take(caller, config.limits)
            return await _speak(request, _script(wanted, language, config), caller, headers)
        except SimpleVoiceError as error:
            if isinstance(error, (ClientError, RateLimitedError)):  # of others the report tells
                log.info("speech_refused", code=error.code, error=str(error), client=caller.name)
            raise _refusal(error, language) from None


async def _read(request: web.Request, limits: LimitsConfig) -> bytes:
    """Read the body. Raises ClientError where it is too long, and 408 where it doesn't come."""
    try:
        async with asyncio.timeout(limits.handshake_seconds):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ClientError(
            "the body is too long", details={"field": "text", "allowed": f"{MAX_BODY_BYTES} bytes"}
        ) from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _language_of(wanted: SpeakRequest) -> Language | None:
    """Tell the language that is asked for, if only by the name of a voice."""
    if wanted.language is not UNSET:
        return wanted.language
    return language_of(wanted.voice) if wanted.voice else None


def _script(wanted: SpeakRequest, language: Language, config: Config) -> Script:
    defaults = config.conversation
    voice_type = defaults.voice_type if wanted.voice_type is UNSET else wanted.voice_type
    return Script(
        text=wanted.text,
        voice=Voice(language, voice_type, wanted.voice, wanted.rate),
        audio_format=defaults.audio_format if wanted.audio_format is UNSET else wanted.audio_format,
    )


async def _speak(request: web.Request, script: Script, caller: Caller, headers: dict[str, str]) -> web.StreamResponse:
    """Answer with the speech. Raises SimpleVoiceError as long as nothing of it was sent."""
    service, config = request.app[SERVICE], request.app[LIVE].config
    async with service.in_use() as lender:
        synthesis = Synthesis(
            script, lender=lender, config=config, turnstile=service.turnstile, observation=service.observation
        )
        log.info("speaking", turn_id=synthesis.id, client=caller.name, address=caller.address)
        async with aclosing(synthesis.sound()) as sound:
            first = await anext(sound)
            content_type = CONTENT_TYPES[script.audio_format]
            response = web.StreamResponse(
                headers={**headers, hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"}
            )
            try:
                await _send(request, response, first, sound, synthesis, config.limits.send_timeout_seconds)
            except (ConnectionError, TimeoutError, SimpleVoiceError) as error:
                log.info("speech_broken_off", turn_id=synthesis.id, error=str(error) or type(error).__name__)
                if request.transport is not None:  # an answer without its end is one that clients notice
                    request.transport.abort()
            return response


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    first: bytes,
    rest: AsyncGenerator[bytes],
    synthesis: Synthesis,
    seconds: float,
) -> None:
    """Send the speech.

    Raises TimeoutError when the client takes longer than ``seconds`` for a chunk, or falls so far behind the sound.
    """
    async with asyncio.timeout(seconds):
        await response.prepare(request)
        await response.write(first)
    taken_for = 0.0
    async for chunk in rest:
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            await response.write(chunk)
        taken_for += time.monotonic() - began
        if taken_for > synthesis.duration_ms / 1000 + seconds:  # its place among the turns is wanted by others
            raise TimeoutError("the client takes the speech more slowly than it sounds")


def _refusal(error: SimpleVoiceError, language: Language) -> web.HTTPError:
    """Tell a failure as the WebSocket does, and by its status."""
    headers = {}
    if "retry_after_ms" in error.details:
        headers[hdrs.RETRY_AFTER] = str(max(1, math.ceil(error.details["retry_after_ms"] / 1000)))
    refusal = REFUSALS.get(error.code, web.HTTPInternalServerError)
    return refusal(text=encode(error_message(error, language)), content_type="application/json", headers=headers)
