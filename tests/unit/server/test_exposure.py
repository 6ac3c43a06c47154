import socket
from typing import Any

import pytest

from simplevoice.config import ServerConfig
from simplevoice.errors import ConfigError
from simplevoice.server.exposure import address_of, check_exposure


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1", "::1"], ["127.8.9.1"], ["::ffff:127.0.0.1"], ["unix"]])
def test_what_only_this_machine_reaches_needs_no_token(addresses: list[str]) -> None:
    check_exposure(addresses, ServerConfig())


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.168.1.2", "fe80::1%eth0", "::ffff:10.0.0.1", "vsock:3", "localhost"]
)
def test_anything_else_is_refused_with_both_ways_out(address: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_exposure(["127.0.0.1", address, address], ServerConfig())
    assert refusal.value.problems == [
        f"on {address} everybody on the network could talk to the daemon: set server.auth_token_file "
        "(--auth-token-file FILE), or allow it with server.allow_anonymous (--allow-anonymous)"
    ]


@pytest.mark.parametrize("settings", [{"auth_token_file": "tokens"}, {"allow_anonymous": True}])
def test_either_way_out_will_do(settings: Any) -> None:
    check_exposure(["0.0.0.0"], ServerConfig(**settings))


@pytest.mark.parametrize(
    ("name", "family", "address"),
    [
        (("127.0.0.1", 1), socket.AF_INET, "127.0.0.1"),
        (("::1", 1, 0, 0), socket.AF_INET6, "::1"),
        ("/run/simplevoice", socket.AF_UNIX, "unix"),
        (b"\0abstract", socket.AF_UNIX, "unix"),
        ((3, 8000), 40, "3"),
    ],
)
def test_the_address_of_a_socket(name: object, family: int, address: str) -> None:
    assert address_of(name, family) == address
