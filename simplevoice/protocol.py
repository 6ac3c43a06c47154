"""Every message on the wire, and how it is checked. ``docs/protocol.md`` tells the same in prose.

Unknown fields are ignored, so that a newer client can talk to an older daemon; unknown types are not.
"""

import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from simplevoice.errors import ClientError, ErrorCode
from simplevoice.types import (
    AudioFormat,
    AudioTransport,
    InputFormat,
    Language,
    ResponseMode,
    TurnDetection,
    VoiceType,
)

PROTOCOL_VERSION = 1
MAX_TEXT_CHARACTERS = 4000

# "$" alone would let a trailing line feed through.
Identifier = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}$(?!\n)", description="1 to 128 of A-Z a-z 0-9 . _ : -")
]
Rate = Annotated[
    str,
    Meta(pattern=r"^[+-][0-9]{1,3}%$(?!\n)", description="a pace relative to the voice's own, such as +10% or -25%"),
]
VoiceName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_+-]{1,64}$(?!\n)",
        description="an engine's own name of a voice: 1 to 64 of A-Z a-z 0-9 _ + -",
    ),
]
Instructions = Annotated[str, Meta(min_length=1, max_length=4000)]
GuidanceReason = Literal["no_speech", "unclear"]
InterruptReason = Literal["speech", "client", "replaced"]


class OpeningParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The query of the upgrade request. What is unset is the server's to choose."""

    connection_id: Identifier | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    voice_type: VoiceType | UnsetType = UNSET
    session_id: Identifier | UnsetType = UNSET
    turn_detection: TurnDetection | UnsetType = UNSET
    response_mode: ResponseMode | UnsetType = UNSET
    audio_format: AudioFormat | UnsetType = UNSET
    audio_transport: AudioTransport = "base64"


# Client to server


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client sends as text."""


class AudioMessage(ClientMessage, frozen=True, tag="audio_message"):
    """One whole utterance; ``audio_data`` is base64 of a container file."""

    audio_data: bytes
    format: InputFormat
    language: Language | UnsetType = UNSET


class AudioStart(ClientMessage, frozen=True, tag="audio_start"):
    """Begin a stream: the binary messages that follow belong to it."""

    format: Literal["pcm16", "webm", "ogg"]
    sample_rate: Annotated[int, Meta(ge=8000, le=48_000)] | UnsetType = UNSET
    channels: Annotated[int, Meta(ge=1, le=2)] = 1

    def __post_init__(self) -> None:
        if self.format == "pcm16" and self.sample_rate is UNSET:
            fields = {f.name: f.type for f in msgspec.structs.fields(type(self))}
            raise _error(
                ErrorCode.INVALID_MESSAGE, "needed for pcm16", "field", "sample_rate", allowed(fields["sample_rate"])
            )


class AudioEnd(ClientMessage, frozen=True, tag="audio_end"):
    """End the stream, and the utterance."""


class TextMessage(ClientMessage, frozen=True, tag="text_message"):
    """A typed turn, answered in speech."""

    text: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_TEXT_CHARACTERS,
            pattern=r"\S",
            description="1 to 4000 characters, not all blank",
        ),
    ]
    language: Language | UnsetType = UNSET


class Interrupt(ClientMessage, frozen=True, tag="interrupt"):
    """Stop speaking. ``played_ms`` of the reply were heard."""

    turn_id: str | UnsetType = UNSET
    played_ms: Annotated[float, Meta(ge=0)] | UnsetType = UNSET


class SessionUpdate(ClientMessage, frozen=True, tag="session_update"):
    """Change the conversation from the next turn on; null goes back to the server's own."""

    language: Language | UnsetType = UNSET
    voice_type: VoiceType | UnsetType = UNSET
    voice: VoiceName | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET


class ResetConversation(ClientMessage, frozen=True, tag="reset_conversation"):
    """Forget the history."""


class Ping(ClientMessage, frozen=True, tag="ping"):
    """Answered by ``pong`` at once."""


CLIENT_MESSAGES: tuple[type[ClientMessage], ...] = (
    AudioMessage,
    AudioStart,
    AudioEnd,
    TextMessage,
    Interrupt,
    SessionUpdate,
    ResetConversation,
    Ping,
)
AnyClientMessage = (
    AudioMessage | AudioStart | AudioEnd | TextMessage | Interrupt | SessionUpdate | ResetConversation | Ping
)

_BY_TAG: dict[str, type[ClientMessage]] = {str(c.__struct_config__.tag): c for c in CLIENT_MESSAGES}

# The text that is spoken without a conversation


class SpeakRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of ``POST .../speak``. What is unset is the server's to choose."""

    text: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_TEXT_CHARACTERS,
            description="1 to 4000 characters, with a letter or digit among them",
        ),
    ]
    language: Language | UnsetType = UNSET
    voice_type: VoiceType | UnsetType = UNSET
    voice: VoiceName | None = None
    rate: Rate | None = None
    audio_format: AudioFormat | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not any(character.isalnum() for character in self.text):
            fields = {f.name: f.type for f in msgspec.structs.fields(type(self))}
            raise _error(ErrorCode.INVALID_MESSAGE, "nothing to pronounce", "field", "text", allowed(fields["text"]))


# Server to client


class ServerMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the server sends as text. ``timestamp`` is in Unix seconds."""

    timestamp: float = field(default_factory=time.time)


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds that a client has to know."""

    max_audio_bytes: int
    max_audio_seconds: float
    max_text_characters: int
    max_waiting_utterances: int
    messages_per_second: float
    turns_per_minute: int
    audio_seconds_per_minute: float
    turn_wait_seconds: float
    turn_timeout_seconds: float
    next_sound_seconds: float
    idle_timeout_seconds: float
    max_session_seconds: float


class ConnectionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force on this connection."""

    language: Language
    voice_type: VoiceType
    target_response_time: str
    turn_detection: TurnDetection
    response_mode: ResponseMode
    audio_format: AudioFormat
    audio_transport: AudioTransport
    limits: ConnectionLimits


class ConnectionEstablished(ServerMessage, frozen=True, tag="connection_established"):
    """The first message."""

    connection_id: str
    session_id: str
    message: str
    config: ConnectionConfig
    success: bool = True
    protocol_version: int = PROTOCOL_VERSION


class ProcessingStarted(ServerMessage, frozen=True, tag="processing_started"):
    """The turn begins."""

    turn_id: str
    message: str
    success: bool = True


class SpeechStart(ServerMessage, frozen=True, tag="speech_start"):
    """Somebody speaks, ``offset_ms`` into the stream."""

    message: str
    offset_ms: int


class SpeechEnd(ServerMessage, frozen=True, tag="speech_end"):
    """The user's turn is over; its speech ended ``offset_ms`` into the stream."""

    message: str
    offset_ms: int


class VadState(msgspec.Struct, frozen=True, kw_only=True):
    """What voice activity detection sees."""

    is_speaking: bool
    silence_duration_ms: int
    buffered_chunks: int


class VadUpdate(ServerMessage, frozen=True, tag="vad_update"):
    """At most five a second."""

    state: VadState


class TurnProcessingStarted(ServerMessage, frozen=True, tag="turn_processing_started"):
    """The same in ``server_vad``: the user has finished, and is being answered."""

    turn_id: str
    message: str


class Transcription(ServerMessage, frozen=True, tag="transcription"):
    """What was heard."""

    turn_id: str
    text: str
    final: bool
    language: Language


class ResponseText(ServerMessage, frozen=True, tag="response_text"):
    """A piece of the reply, as it is made."""

    turn_id: str
    index: int
    text: str


class AudioChunk(ServerMessage, frozen=True, tag="audio_chunk"):
    """Speech, as it is made. Without ``audio_base64`` the next binary message is exactly this chunk."""

    turn_id: str
    seq: int
    format: AudioFormat
    sample_rate: int
    size: int = field(name="bytes")
    audio_base64: bytes | UnsetType = UNSET


class Timings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Milliseconds from the end of the user's audio, except ``endpoint``: from the last speech to the decision."""

    total: int
    decode: int | None = None
    transcribe: int | None = None
    first_text: int | None = None
    first_audio: int | None = None
    endpoint: int | None = None


class VoiceResponse(ServerMessage, frozen=True, tag="voice_response"):
    """The last message of a good turn. In ``stream`` mode without ``audio_base64``."""

    turn_id: str
    transcription: str
    response_text: str
    audio_format: AudioFormat
    sample_rate: int
    duration_ms: int
    language: Language
    voice_type: VoiceType
    response_time_ms: int
    session_id: str
    message_count: int
    tts_engine: str
    timings: Timings
    audio_base64: bytes | UnsetType = UNSET
    success: bool = True


class Guidance(ServerMessage, frozen=True, tag="guidance"):
    """Nothing intelligible was heard."""

    turn_id: str
    guidance: str
    transcription: str
    reason: GuidanceReason
    success: bool = False


class Interrupted(ServerMessage, frozen=True, tag="interrupted"):
    """Discard what is queued for this turn."""

    turn_id: str
    reason: InterruptReason
    heard_text: str


class ErrorMessage(ServerMessage, frozen=True, tag="error"):
    """Exactly one for one failure."""

    error_code: ErrorCode
    message: str
    retry_suggested: bool
    turn_id: str | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET
    success: bool = False


class GoingAway(ServerMessage, frozen=True, tag="going_away"):
    """The daemon stops, or the time of this connection is over: finish, then reconnect."""

    deadline_seconds: float


class Pong(ServerMessage, frozen=True, tag="pong"):
    """The answer to ``ping``."""


AnyServerMessage = (
    ConnectionEstablished
    | ProcessingStarted
    | SpeechStart
    | SpeechEnd
    | VadUpdate
    | TurnProcessingStarted
    | Transcription
    | ResponseText
    | AudioChunk
    | VoiceResponse
    | Guidance
    | Interrupted
    | ErrorMessage
    | GoingAway
    | Pong
)

_client_decoder = msgspec.json.Decoder(AnyClientMessage)
_speak_decoder = msgspec.json.Decoder(SpeakRequest)
_server_decoder = msgspec.json.Decoder(AnyServerMessage)
_encoder = msgspec.json.Encoder()


class _Header(msgspec.Struct):
    type: str


_header_decoder = msgspec.json.Decoder(_Header)


def encode(message: ServerMessage | ClientMessage) -> str:
    """Encode for a text frame."""
    return encoded(message).decode()


def encoded(message: ServerMessage | ClientMessage) -> bytes:
    """Encode as a text frame holds it, in UTF-8."""
    return _encoder.encode(message)


def decode(text: str) -> AnyClientMessage:
    """Decode what a client sent, or raise ClientError that names the field and what is allowed."""
    try:
        message: AnyClientMessage = _client_decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _rejection(text, str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ClientError("not valid JSON", code=ErrorCode.INVALID_JSON) from None
    return message


def decode_server(text: str) -> AnyServerMessage:
    """Decode what a server sent; raises msgspec.DecodeError."""
    message: AnyServerMessage = _server_decoder.decode(text)
    return message


def decode_speak(body: bytes) -> SpeakRequest:
    """Decode what is asked to be spoken, or raise ClientError that names the field and what is allowed."""
    try:
        return _speak_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _field_error(SpeakRequest, str(error), ErrorCode.INVALID_MESSAGE, "field") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ClientError("not valid JSON", code=ErrorCode.INVALID_JSON) from None


def parse_opening(query: Mapping[str, str]) -> OpeningParameters:
    """Check the query parameters of a connection, or raise ClientError that names one and what is allowed."""
    try:
        return msgspec.convert(dict(query), OpeningParameters, strict=False)
    except msgspec.ValidationError as error:
        raise _field_error(OpeningParameters, str(error), ErrorCode.INVALID_PARAMETER, "parameter") from None


def _rejection(text: str, problem: str) -> ClientError:
    """Say what is wrong with a message whose first fault is ``problem``; what follows it may be no JSON at all."""
    try:
        kind = _header_decoder.decode(text).type
    except msgspec.ValidationError:
        return _error(ErrorCode.INVALID_MESSAGE, problem, "field", "type", sorted(_BY_TAG))
    except (msgspec.DecodeError, RecursionError):
        return ClientError("not valid JSON", code=ErrorCode.INVALID_JSON)
    if kind not in _BY_TAG:
        return _error(ErrorCode.UNKNOWN_MESSAGE_TYPE, f"unknown type {kind!r:.60}", "field", "type", sorted(_BY_TAG))
    code = ErrorCode.INVALID_MESSAGE
    if kind == "audio_message" and problem.endswith("`$.format`"):
        code = ErrorCode.UNSUPPORTED_AUDIO_FORMAT
    return _field_error(_BY_TAG[kind], problem, code, "field")


def _field_error(struct: type[msgspec.Struct], problem: str, code: ErrorCode, what: str) -> ClientError:
    """Find the field that msgspec complains about, and say what its type allows."""
    found = re.search(r"`\$\.(\w+)|missing required field `(\w+)`", problem)
    name = found and (found[1] or found[2])
    fields = {f.name: f.type for f in msgspec.structs.fields(struct)}
    if name not in fields:  # a second ``type`` may have hidden of which message the field is
        return ClientError(f"{problem:.200}", code=code)
    return _error(code, problem, what, name, allowed(fields[name]))


def _error(code: ErrorCode, problem: str, what: str, name: str, allowed: object) -> ClientError:
    # msgspec repeats a wrong value, however long it is.
    return ClientError(f"{name}: {problem:.200}", code=code, details={what: name, "allowed": allowed})


def allowed(kind: Any) -> list[Any] | str:
    """Say what a field's type allows: a list of values, or words such as ``integer from 8000 to 48000``."""
    schema = msgspec.json.schema(kind)
    options = schema.get("anyOf", [schema])
    option = next(o for o in options if o.get("type") != "null")
    if "enum" in option:
        return list(option["enum"])
    if "description" in option:
        return str(option["description"])
    words = "base64" if option.get("contentEncoding") else str(option.get("type", "anything"))
    low, high = option.get("minimum"), option.get("maximum")
    shortest, longest = option.get("minLength"), option.get("maxLength")
    if low is not None:
        words += f" from {low:g} to {high:g}" if high is not None else f" of at least {low:g}"
    if longest is not None:
        words += f" of {shortest or 0} to {longest} characters"
    return words


def json_schema() -> dict[str, Any]:
    """JSON Schema of every message, both ways."""
    (client, server, opening, speak), definitions = msgspec.json.schema_components(
        [AnyClientMessage, AnyServerMessage, OpeningParameters, SpeakRequest], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"simplevoice protocol, version {PROTOCOL_VERSION}",
        "oneOf": [client, server],
        "client": client,
        "server": server,
        "opening": opening,
        "speak": speak,
        "$defs": definitions,
    }
