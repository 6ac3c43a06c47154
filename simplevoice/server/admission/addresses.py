"""Whose request it is, also behind proxies; and which addresses only this machine can reach."""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""Stands for the other end of a Unix socket, which has no address."""

MAX_HOPS = 16
"""As many proxies are followed back."""

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](:\d+)?|(?P<v4>[\d.]+):\d+")


@lru_cache(maxsize=256)
def parse_address(text: str) -> Address | None:
    """Read an address. An IPv4 address inside an IPv6 one is taken for what it is, and a zone is dropped."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_loopback(text: str) -> bool:
    """Whether only this machine can reach an address; a Unix socket is one of these."""
    address = parse_address(text)
    return text == UNIX if address is None else address.is_loopback


def client_address(peer: str | None, forwarded: Sequence[str], trusted: tuple[str, ...]) -> str:
    """Tell where a request comes from, in normal form.

    ``peer`` is who connected, None or empty for a Unix socket. Only what a trusted proxy says is believed: of the
    ``X-Forwarded-For`` headers, the last address that isn't such a proxy's own.
    """
    current = _normal(peer or UNIX)
    hops = ",".join(forwarded).rsplit(",", MAX_HOPS)[-MAX_HOPS:] if forwarded else []
    while hops and is_trusted(current, trusted):
        hop = hops.pop().strip()
        match = _WITH_PORT.fullmatch(hop)
        address = parse_address((match["v6"] or match["v4"]) if match else hop)
        if address is None:  # "unknown", or made up: what the proxy did not tell, nobody knows
            break
        current = str(address)
    return current


def is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    """Whether an address in normal form is that of a proxy to be believed."""
    if address == UNIX:
        return UNIX in trusted
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in _networks(trusted))


def same_client(address: str) -> str:
    """Name what counts as one client: an IPv4 address, the /64 of an IPv6 address, of which everybody has plenty."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


@lru_cache(maxsize=16)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(parse_network(text) for text in trusted if text != UNIX)


def parse_network(text: str) -> Network:
    """Read an address or network, IPv4 inside IPv6 as IPv4. Raises ValueError."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96), strict=False)
    return network


def _normal(text: str) -> str:
    address = parse_address(text)
    return text if address is None else str(address)
