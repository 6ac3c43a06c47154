from typing import Any

import pytest

from simplevoice.config import Config, TurnsConfig
from simplevoice.errors import ClientError, ErrorCode
from simplevoice.server.opening import TURN_PARAMETERS, check_opening, with_turns
from tests.fakes.client import with_changes


def test_a_missing_connection_id_is_the_clients_fault_unless_the_server_names_connections() -> None:
    with pytest.raises(ClientError) as refusal:
        check_opening({}, Config())
    assert refusal.value.code is ErrorCode.MISSING_CONNECTION_ID
    config = with_changes(Config(), "server", connection_ids="server")
    first, second = check_opening({}, config), check_opening({}, config)
    assert first.connection_id != second.connection_id
    assert check_opening({"connection_id": "mine"}, config).connection_id == "mine"


def test_a_client_sets_the_times_of_its_own_turns() -> None:
    query = {"silence_ms": "800", "half_duplex": "true", "start_threshold": "0.7"}
    turns = with_turns(query, Config()).turns
    assert (turns.silence_ms, turns.half_duplex, turns.start_threshold) == (800, True, 0.7)
    assert turns.tentative_ms == TurnsConfig().tentative_ms


def test_what_is_the_operators_is_not_for_clients() -> None:
    assert "smart_turn" not in TURN_PARAMETERS
    config = Config()
    assert with_turns({"smart_turn": "false", "early_reply": "false"}, config) is config


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("silence_ms", "5", "a whole number from 64 to 3000"),
        ("silence_ms", "soon", "a whole number from 64 to 3000"),
        ("max_silence_ms", "999999", "a whole number from 64 to 5000"),
        ("start_threshold", "nan", "a number from 0.05 to 0.95"),
        ("half_duplex", "perhaps", "true or false"),
    ],
)
def test_a_time_out_of_bounds_is_named(name: str, value: str, allowed: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        with_turns({name: value}, Config())
    assert refusal.value.code is ErrorCode.INVALID_PARAMETER
    assert refusal.value.details == {"parameter": name, "allowed": allowed}
