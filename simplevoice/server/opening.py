"""What a client asks for in the query of its upgrade request."""

import secrets
from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from simplevoice.config import Config, EndpointingConfig
from simplevoice.config.table import SETTINGS
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.protocol import Identifier, OpeningParameters, allowed, parse_opening

TURN_PARAMETERS = (*EndpointingConfig.__struct_fields__, "half_duplex")
"""The settings of ``[turns]`` that a client may choose for its own connection."""


def check_opening(query: Mapping[str, str], config: Config) -> OpeningParameters:
    """Check the parameters; a connection_id that is missing is made up if the operator wants that.

    Raises ClientError that names a parameter and what is allowed.
    """
    opening = parse_opening(query)
    if opening.connection_id is not UNSET:
        return opening
    if config.server.connection_ids == "server":
        return msgspec.structs.replace(opening, connection_id=f"conn_{secrets.token_hex(8)}")
    raise ClientError(
        "connection_id is missing",
        code=ErrorCode.MISSING_CONNECTION_ID,
        details={"parameter": "connection_id", "allowed": allowed(Identifier)},
    )


def default_session(connection_id: str) -> str:
    """Name the conversation of a connection that names none."""
    return f"simple_{connection_id}"


def with_turns(query: Mapping[str, str], config: Config) -> Config:
    """Take over the times of turn detection that the client sets, within the bounds of the configuration."""
    chosen = {}
    for name in TURN_PARAMETERS:
        if name not in query:
            continue
        setting = SETTINGS[f"turns.{name}"]
        try:
            chosen[name] = setting.parse(query[name])
        except ValueError as error:
            details = {"parameter": name, "allowed": setting.allowed}
            raise ClientError(f"{name}: {error}", code=ErrorCode.INVALID_PARAMETER, details=details) from None
    if not chosen:
        return config  # shared by all who choose nothing
    return msgspec.structs.replace(config, turns=msgspec.structs.replace(config.turns, **chosen))
