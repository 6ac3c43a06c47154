"""Which web pages may talk to the daemon.

Browsers put no same-origin policy on WebSockets: any page may try, from inside the network that its reader is in. What
a browser can't be made to lie about is ``Origin``, the page's own address, and ``Host``, the name that it resolved.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from simplevoice.server.admission.addresses import parse_address

ANY = "*"
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")


class Host(NamedTuple):
    """A host and port as asked for, in lower case and without brackets; port None where none was given."""

    name: str
    port: int | None

    @property
    def is_address(self) -> bool:
        """Whether it is an address and no name."""
        return parse_address(self.name) is not None


class _Origin(NamedTuple):
    scheme: str
    name: str
    port: int


def parse_host(text: str) -> Host | None:
    """Read a ``Host`` header, or None when it isn't one."""
    match = _HOST.fullmatch(text.strip())
    if match is None:
        return None
    name = match["name"].strip("[]").lower().rstrip(".")
    return Host(name, int(match["port"]) if match["port"] else None) if name else None


def is_allowed_origin(origin: str, hosts: Iterable[str], *, secure: bool, allowed: Iterable[str]) -> bool:
    """Whether a page may connect: it comes from the host that it asks, or from an allowed origin.

    ``secure`` says that the request is known to have come over TLS; then the page must have, too.
    """
    if ANY in allowed:
        return True
    page = _parse_origin(origin)
    if page is None:  # "null" too: a sandboxed frame or a local file could be anybody's
        return False
    if page in map(_parse_origin, allowed):
        return True
    if secure and page.scheme != "https":
        return False
    asked = [host for text in hosts if (host := parse_host(text))]
    return any((page.name, page.port) == (host.name, host.port or _PORTS[page.scheme]) for host in asked)


def _parse_origin(text: str) -> _Origin | None:
    try:
        parts = urlsplit(text)
        if parts.scheme not in _PORTS or text.lower() != f"{parts.scheme}://{parts.netloc}".lower():
            return None
        host = parse_host(parts.netloc)
    except ValueError:
        return None
    return host and _Origin(parts.scheme, host.name, host.port or _PORTS[parts.scheme])


def is_allowed_host(text: str, allowed: Iterable[str]) -> bool:
    """Whether the daemon answers to this name.

    A page can only make a browser use a name that it owns, so an address is always good, and so is localhost, which
    browsers never resolve elsewhere.
    """
    host = parse_host(text)
    if host is None:
        return False
    local = host.name == "localhost" or host.name.endswith(".localhost")
    return local or host.is_address or any(name in (ANY, host.name) for name in map(str.lower, allowed))
