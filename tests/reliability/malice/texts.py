"""Text messages that are no JSON, no message, or too much of one."""

import json
from typing import Any

from tests.reliability.malice import Case, saying

DEEP = "[" * 100_000 + "]" * 100_000
DIGITS = "9" * 5_000_000


def text_message(value: str) -> str:
    """Make a text_message around any JSON, or none."""
    return '{"type":"text_message","text":' + value + "}"


def bad_json(what: str, text: str) -> Case:
    return Case(what, "error INVALID_JSON", saying(text))


def bad_message(what: str, message: Any) -> Case:
    return Case(what, "error INVALID_MESSAGE", saying(message if isinstance(message, str) else json.dumps(message)))


TEXTS = [
    bad_json("an empty text message", ""),
    bad_json("no JSON", "hello"),
    bad_json("JSON that breaks off", '{"type":"ping"'),
    bad_json("100,000 brackets in a field that is not known", '{"type":"ping","more":' + DEEP + "}"),
    bad_json("100,000 brackets in place of a text", text_message(DEEP)),
    bad_json("a wrong field, and then no JSON", text_message("5, nope")),
    bad_json("half a character, escaped", text_message(r'"\ud800"')),
    bad_json("ten megabytes of blanks", " " * 10_000_000),
    bad_message("100,000 brackets", DEEP),
    bad_message("a list", []),
    bad_message("null", None),
    bad_message("a message without a type", {}),
    bad_message("a type that is a number", {"type": 5}),
    bad_message("a number of five million digits", '{"type":"interrupt","played_ms":' + DIGITS + "}"),
    bad_message("a number beyond all floats", '{"type":"interrupt","played_ms":1e999}'),
    bad_message("a text that is a number", text_message("5")),
    bad_message("a text of blanks", text_message('"  "')),
    bad_message("a text of 4,001 characters", {"type": "text_message", "text": "a" * 4001}),
    bad_message("a text of ten megabytes", {"type": "text_message", "text": "a" * 10_000_000}),
    bad_message("a text without a text", {"type": "text_message"}),
    bad_message("the same field twice, wrong at last", '{"type":"text_message","text":"a","text":5}'),
    bad_message(
        "two types that contradict each other, and a wrong field", '{"type":"text_message","text":5,"type":"ping"}'
    ),
    bad_message("an unknown language", {"type": "text_message", "text": "a", "language": "fr"}),
    bad_message("a voice that is markup", {"type": "session_update", "voice": "x' /><audio src='http://x"}),
    bad_message("a rate that is markup", {"type": "session_update", "rate": "+1%'><break time='99s'/>"}),
    bad_message("instructions of 4,001 characters", {"type": "session_update", "instructions": "a" * 4001}),
    bad_message("a negative time played", {"type": "interrupt", "played_ms": -1}),
    bad_message("a sample rate of zero", {"type": "audio_start", "format": "pcm16", "sample_rate": 0}),
    bad_message(
        "a thousand channels", {"type": "audio_start", "format": "pcm16", "sample_rate": 8000, "channels": 1000}
    ),
    bad_message("audio_end without a stream", {"type": "audio_end"}),
    bad_message("base64 rubbish", {"type": "audio_message", "format": "wav", "audio_data": "!!!"}),
    bad_message(
        "ten megabytes of base64 rubbish", {"type": "audio_message", "format": "wav", "audio_data": "!" * 10_000_000}
    ),
    Case("an unknown type", "error UNKNOWN_MESSAGE_TYPE", saying('{"type":"dance"}')),
    Case("a type of ten megabytes", "error UNKNOWN_MESSAGE_TYPE", saying('{"type":"' + "x" * 10_000_000 + '"}')),
    Case(
        "an unknown format",
        "error UNSUPPORTED_AUDIO_FORMAT",
        saying('{"type":"audio_message","format":"aac","audio_data":"AAAA"}'),
    ),
    Case("a ping with a million unknown fields", "taken", saying('{"type":"ping"' + ',"a":1' * 1_000_000 + "}")),
    Case("a text of control characters", "voice_response", saying(text_message(r'"\u0000\u001b[2J\u202e hello"'))),
    Case("a turn_id of a megabyte", "taken", saying('{"type":"interrupt","turn_id":"' + "x" * 2**20 + '"}')),
]
