"""docs/protocol.md against the classes: every message, every field, every error code, and none that isn't there."""

import json
import re
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simplevoice import protocol
from simplevoice.errors import ErrorCode
from simplevoice.protocol import (
    CLIENT_MESSAGES,
    AnyServerMessage,
    OpeningParameters,
    SpeakRequest,
    decode,
    decode_server,
    encode,
)
from simplevoice.server.opening import TURN_PARAMETERS

DOC = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def section(title: str) -> str:
    return DOC.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> dict[str, str]:
    """First column to the rest of the row."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    return dict(found)


def fields(kind: type[msgspec.Struct]) -> set[str]:
    return {f.encode_name for f in msgspec.structs.fields(kind)} - {"timestamp"}


def tag(kind: Any) -> str:
    return str(kind.__struct_config__.tag)


SERVER = {tag(kind): kind for kind in typing.get_args(AnyServerMessage)}
CLIENT = {tag(kind): kind for kind in CLIENT_MESSAGES}


@pytest.mark.parametrize(("title", "messages"), [("Client to server", CLIENT), ("Server to client", SERVER)])
def test_every_message_and_field_is_told(title: str, messages: dict[str, type[msgspec.Struct]]) -> None:
    told = rows(section(title))
    assert set(told) - set(ErrorCode) == set(messages)
    for name, kind in messages.items():
        mentioned = set(re.findall(r"`(\w+)`", told[name]))
        assert fields(kind) <= mentioned, f"{name} does not tell {fields(kind) - mentioned}"


def examples(name: str) -> list[dict[str, Any]]:
    """The messages that were recorded of one side."""
    rest = DOC.split(f"<!-- examples: {name} -->\n```json\n")[1].split("```\n")[0]
    found = []
    while rest:
        message, end = json.JSONDecoder().raw_decode(rest)
        found.append(message)
        rest = rest[end:].lstrip()
    return found


@pytest.mark.parametrize(("name", "messages"), [("client", CLIENT), ("server", SERVER)])
def test_every_message_has_its_example(name: str, messages: dict[str, type[msgspec.Struct]]) -> None:
    assert sorted(message["type"] for message in examples(name)) == sorted(messages)


@pytest.mark.parametrize("message", examples("client"), ids=lambda message: message["type"])
def test_a_clients_example_is_what_the_daemon_takes(message: dict[str, Any]) -> None:
    decoded = decode(json.dumps(message))
    assert tag(type(decoded)) == message["type"]
    assert json.loads(encode(decoded)) == message, "record it again: make examples"


@pytest.mark.parametrize("message", examples("server"), ids=lambda message: message["type"])
def test_a_daemons_example_is_what_it_says(message: dict[str, Any]) -> None:
    decoded = decode_server(json.dumps(message))
    assert tag(type(decoded)) == message["type"]
    assert json.loads(encode(decoded)) == message, "record it again: make examples"


def test_nested_fields_are_told() -> None:
    established = rows(section("Server to client"))["connection_established"]
    for kind in (protocol.ConnectionConfig, protocol.ConnectionLimits):
        assert fields(kind) <= set(re.findall(r"`(\w+)`", established))
    assert fields(protocol.Timings) <= set(re.findall(r"`(\w+)`", section("Server to client")))


def test_every_parameter_is_told() -> None:
    opening = section("Opening")
    assert set(rows(opening)) == fields(OpeningParameters) | {"token", "ticket"}
    assert set(TURN_PARAMETERS) <= set(re.findall(r"`(\w+)`", opening))


def test_all_of_a_text_to_speak_is_told() -> None:
    speaking = section("Speaking a text")
    assert fields(SpeakRequest) <= set(re.findall(r"`(\w+)`", speaking))


def test_every_error_code_is_told() -> None:
    told = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", section("Server to client")))
    assert told == set(ErrorCode)
