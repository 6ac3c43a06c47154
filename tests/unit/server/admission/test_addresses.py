import pytest

from simplevoice.server.admission.addresses import (
    MAX_HOPS,
    UNIX,
    client_address,
    is_loopback,
    is_trusted,
    parse_address,
    parse_network,
    same_client,
)

PROXIES = ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", "None"),
        ("localhost", "None"),
        ("127.1", "None"),
        ("0x7f000001", "None"),
        ("1.2.3.4.5", "None"),
        ("010.0.0.1", "None"),
    ],
)
def test_an_address_in_normal_form(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        (UNIX, True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.168.1.1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_reach(text: str, loopback: bool) -> None:
    assert is_loopback(text) is loopback


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.66, 198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.66", "198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.1, 192.0.2.7 ,10.9.9.9"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.1", "192.0.2.7,10.9.9.9"], "198.51.100.1"),
        ("10.1.1.1", ["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
        ("10.1.1.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.1.1", ["[2001:db9::1]:4711"], "2001:db9::1"),
        ("10.1.1.1", ["[2001:db9::1]"], "2001:db9::1"),
        ("10.1.1.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8::7", ["2001:db9::1"], "2001:db9::1"),
        ("10.1.1.1", ["198.51.100.1, unknown"], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1, <script>"], "10.1.1.1"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1,"], "10.1.1.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", ["198.51.100.1"], UNIX),
        (None, [], UNIX),
    ],
)
def test_the_client_is_the_last_that_no_trusted_proxy_is(peer: str | None, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def test_nobody_is_trusted_unless_the_operator_says_so() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"


def test_the_peers_of_a_unix_socket_can_be_trusted() -> None:
    assert client_address("", ["198.51.100.1"], (UNIX,)) == "198.51.100.1"
    assert not is_trusted("10.0.0.1", (UNIX,))


def test_a_long_way_is_followed_only_so_far() -> None:
    forwarded = ["198.51.100.1", *["10.0.0.1"] * MAX_HOPS]
    assert client_address("10.1.1.1", forwarded, PROXIES) == "10.0.0.1"
    assert client_address("10.1.1.1", forwarded[: MAX_HOPS - 1], PROXIES) == "198.51.100.1"


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_networks(text: str, network: str) -> None:
    assert str(parse_network(text)) == network


def test_every_ipv6_address_of_a_household_is_one_client() -> None:
    assert same_client("2001:db8:1:2:3:4:5:6") == same_client("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert same_client("192.0.2.1") == "192.0.2.1"
    assert same_client(UNIX) == UNIX
