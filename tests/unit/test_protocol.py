import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplevoice import protocol
from simplevoice.conversation.notices import error_message
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.protocol import (
    CLIENT_MESSAGES,
    AudioChunk,
    AudioMessage,
    AudioStart,
    ErrorMessage,
    Ping,
    Pong,
    SessionUpdate,
    decode,
    decode_server,
    encode,
    json_schema,
    parse_opening,
)


def refused(message: Any) -> ClientError:
    with pytest.raises(ClientError) as refusal:
        decode(message if isinstance(message, str) else json.dumps(message))
    return refusal.value


def test_audio_data_is_base64() -> None:
    assert decode('{"type":"audio_message","audio_data":"UklGRg==","format":"wav"}') == AudioMessage(
        audio_data=b"RIFF", format="wav"
    )


def test_ping_takes_anything_beside_its_type() -> None:
    assert decode('{"type":"ping","sent":1,"deep":{"a":[]}}') == Ping()


def test_null_and_absent_are_different_in_an_update() -> None:
    update = decode('{"type":"session_update","voice":null}')
    assert update == SessionUpdate(voice=None)
    assert update != SessionUpdate()


@pytest.mark.parametrize("text", ["{", "", "\x00", '{"type":"ping"', "nope"])
def test_bad_json(text: str) -> None:
    assert refused(text).code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("message", [[], 1, None, {}, {"type": 5}])
def test_what_has_no_type_names_the_field_and_all_types(message: Any) -> None:
    refusal = refused(message)
    assert refusal.code is ErrorCode.INVALID_MESSAGE
    assert refusal.details["field"] == "type"
    assert "audio_message" in refusal.details["allowed"]


def test_deep_nesting_is_refused_not_a_crash() -> None:
    assert refused("[" * 100_000).code in (ErrorCode.INVALID_JSON, ErrorCode.INVALID_MESSAGE)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("value", [DEEP, f"5,{DEEP}", "5, nope", f'5,"more":{DEEP}', "5", "1e999,"])
def test_what_is_no_json_behind_a_wrong_field_is_told_as_such(value: str) -> None:
    assert refused('{"type":"text_message","text":' + value).code is ErrorCode.INVALID_JSON


def test_a_second_type_does_not_confuse() -> None:
    assert refused('{"type":"text_message","text":5,"type":"ping"}').code is ErrorCode.INVALID_MESSAGE
    assert refused('{"type":"text_message","text":5,"type":"nope"}').code is ErrorCode.UNKNOWN_MESSAGE_TYPE
    assert refused('{"type":"ping","type":"nope"}').code is ErrorCode.UNKNOWN_MESSAGE_TYPE


@pytest.mark.parametrize("escape", [r"\ud800", r"\udfff\ud800", r"\ud800x"])
def test_half_a_character_is_refused(escape: str) -> None:
    assert refused('{"type":"text_message","text":"' + escape + '"}').code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize(
    "message",
    [
        {"type": "text_message", "text": "a", "language": "x" * 100_000},
        {"type": "x" * 100_000},
        {"type": "text_message", "text": "a", "language": "\x1b[31m\n\u202e"},
        {"type": "\x1b[31m\n\u202e"},
    ],
)
def test_what_the_log_gets_of_a_refused_message_is_short_and_printable(message: Any) -> None:
    reason = str(refused(message))
    assert len(reason) < 300
    assert reason.isprintable()


def test_a_text_to_speak_is_all_that_is_needed() -> None:
    wanted = protocol.decode_speak('{"text": "صباح الخير", "newer": {}}'.encode())
    assert wanted == protocol.SpeakRequest(text="صباح الخير")
    assert (wanted.language, wanted.voice, wanted.audio_format) == (msgspec.UNSET, None, msgspec.UNSET)


def test_a_text_that_nobody_could_pronounce_is_refused() -> None:
    with pytest.raises(ClientError) as refusal:
        protocol.decode_speak(b'{"text": "... !"}')
    assert refusal.value.details == {
        "field": "text",
        "allowed": "1 to 4000 characters, with a letter or digit among them",
    }


# Pieces of messages, in any order: some are JSON, few are messages.
PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", ",", ":", '"', " ", "\n", "\\", "\\u", "\\ud800", "1e999", "-", "0.5", "9" * 400, "null"),
        *(f'"{field}":' for field in ("type", "text", "format", "audio_data", "rate", "voice", "played_ms", "x")),
        *(f'"{c.__struct_config__.tag}"' for c in CLIENT_MESSAGES),
        *('"wav"', '"pcm16"', '"UklGRg=="', '"+10%"', '"ar"', "16000", "[" * 3000, '{"a":' * 3000),
    ]
)
RUBBISH = st.one_of(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=8).map(lambda pieces: '{"type":"text_message","text":' + "".join(pieces)),
    st.text(max_size=200),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary().map(repr),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = sorted({f.encode_name for c in CLIENT_MESSAGES for f in msgspec.structs.fields(c)})


@given(RUBBISH)
def test_any_text_is_a_message_or_a_refusal_that_can_be_sent(text: str) -> None:
    assert_answered(text)


@given(
    tag=st.sampled_from([str(c.__struct_config__.tag) for c in CLIENT_MESSAGES]),
    fields=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)
def test_any_fields_make_a_message_or_a_refusal_that_can_be_sent(tag: str, fields: dict[str, Any]) -> None:
    assert_answered(json.dumps({"type": tag, **fields}))


def assert_answered(text: str) -> None:
    reason = ""
    try:
        encode(decode(text))
    except ClientError as refusal:
        encode(error_message(refusal, "ar"))
        reason = str(refusal)
    assert len(reason) < 300


def test_unknown_type() -> None:
    refusal = refused({"type": "dance"})
    assert refusal.code is ErrorCode.UNKNOWN_MESSAGE_TYPE
    assert refusal.details["allowed"] == sorted(str(c.__struct_config__.tag) for c in CLIENT_MESSAGES)


@pytest.mark.parametrize(
    ("message", "field", "allowed"),
    [
        ({"type": "audio_message", "audio_data": "!", "format": "wav"}, "audio_data", "base64"),
        ({"type": "audio_message", "format": "wav"}, "audio_data", "base64"),
        ({"type": "audio_start", "format": "pcm16", "sample_rate": 7}, "sample_rate", "integer from 8000 to 48000"),
        (
            {"type": "audio_start", "format": "pcm16", "sample_rate": 16000, "channels": 3},
            "channels",
            "integer from 1 to 2",
        ),
        ({"type": "text_message", "text": " "}, "text", "1 to 4000 characters, not all blank"),
        ({"type": "text_message", "text": "a" * 4001}, "text", "1 to 4000 characters, not all blank"),
        ({"type": "text_message", "text": "a", "language": "fr"}, "language", ["ar", "en"]),
        ({"type": "interrupt", "played_ms": -1}, "played_ms", "number of at least 0"),
        ({"type": "session_update", "voice_type": "robot"}, "voice_type", ["female", "male"]),
    ],
)
def test_a_rejection_names_the_field_and_what_is_allowed(message: Any, field: str, allowed: Any) -> None:
    refusal = refused(message)
    assert refusal.code is ErrorCode.INVALID_MESSAGE
    assert refusal.details == {"field": field, "allowed": allowed}


def test_pcm_needs_its_sample_rate() -> None:
    assert refused({"type": "audio_start", "format": "pcm16"}).details["field"] == "sample_rate"
    assert refused({"type": "audio_start", "format": "pcm16"}).details["allowed"] == "integer from 8000 to 48000"
    assert decode('{"type":"audio_start","format":"webm"}') == AudioStart(format="webm")


def test_an_unknown_container_has_a_code_of_its_own() -> None:
    refusal = refused({"type": "audio_message", "audio_data": "", "format": "aac"})
    assert refusal.code is ErrorCode.UNSUPPORTED_AUDIO_FORMAT
    assert set(refusal.details["allowed"]) == {"wav", "mp3", "m4a", "webm", "ogg", "flac"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connection_id", ""),
        ("connection_id", "a b"),
        ("connection_id", "a\n"),
        ("connection_id", "a" * 129),
        ("session_id", "../etc"),
        ("language", "fr"),
        ("voice_type", "robot"),
        ("turn_detection", "magic"),
        ("response_mode", "partly"),
        ("audio_format", "aac"),
        ("audio_transport", "pigeon"),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(ClientError) as refusal:
        parse_opening({"connection_id": "c", name: value})
    assert refusal.value.code is ErrorCode.INVALID_PARAMETER
    assert refusal.value.details["parameter"] == name
    assert refusal.value.details["allowed"]


def test_unknown_parameters_are_ignored() -> None:
    assert parse_opening({"connection_id": "c", "colour": "red"}).connection_id == "c"


def test_every_message_has_its_type_and_time() -> None:
    pong = json.loads(encode(Pong()))
    assert pong["type"] == "pong"
    assert isinstance(pong["timestamp"], float)


def test_a_chunk_is_told_by_its_bytes_and_base64() -> None:
    chunk = AudioChunk(turn_id="t", seq=0, format="mp3", sample_rate=24000, size=2, audio_base64=b"ab")
    wire = json.loads(encode(chunk))
    assert wire["bytes"] == 2
    assert wire["audio_base64"] == "YWI="
    assert decode_server(encode(chunk)) == chunk


def test_what_is_unset_is_not_sent() -> None:
    error = ErrorMessage(error_code=ErrorCode.EMPTY_AUDIO, message="m", retry_suggested=False)
    assert "turn_id" not in json.loads(encode(error))
    assert json.loads(encode(error))["success"] is False


def test_the_schema_knows_every_message() -> None:
    schema = json_schema()
    client = {str(c.__struct_config__.tag) for c in CLIENT_MESSAGES}
    assert set(schema["client"]["discriminator"]["mapping"]) == client
    assert "voice_response" in schema["server"]["discriminator"]["mapping"]
    json.dumps(schema)


def test_every_server_message_says_success_where_clients_read_it() -> None:
    for kind, success in (("ConnectionEstablished", True), ("VoiceResponse", True), ("Guidance", False)):
        fields = {f.name: f for f in msgspec.structs.fields(getattr(protocol, kind))}
        assert fields["success"].default is success
