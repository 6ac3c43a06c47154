"""docs/protocol.md against the classes: every message, every field, every error code, and none that isn't there."""

import re
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simplevoice import protocol
from simplevoice.errors import ErrorCode
from simplevoice.protocol import CLIENT_MESSAGES, AnyServerMessage, OpeningParameters
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


def test_nested_fields_are_told() -> None:
    established = rows(section("Server to client"))["connection_established"]
    for kind in (protocol.ConnectionConfig, protocol.ConnectionLimits):
        assert fields(kind) <= set(re.findall(r"`(\w+)`", established))
    assert fields(protocol.Timings) <= set(re.findall(r"`(\w+)`", section("Server to client")))


def test_every_parameter_is_told() -> None:
    opening = section("Opening")
    assert set(rows(opening)) == fields(OpeningParameters) | {"token", "ticket"}
    assert set(TURN_PARAMETERS) <= set(re.findall(r"`(\w+)`", opening))


def test_every_error_code_is_told() -> None:
    told = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", section("Server to client")))
    assert told == set(ErrorCode)
