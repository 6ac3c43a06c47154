"""Where a daemon may listen that asks nobody for a token."""

import socket
from collections.abc import Iterable

from simplevoice.config import ServerConfig
from simplevoice.errors import ConfigError
from simplevoice.server.admission.addresses import UNIX, is_loopback


def check_exposure(addresses: Iterable[str], server: ServerConfig) -> None:
    """Raise ConfigError where others than this machine could reach a daemon that asks for no token.

    ``addresses`` are those of bound sockets, so a name that stands for several is judged by all of them.
    """
    if server.auth_token_file or server.allow_anonymous:
        return
    if exposed := sorted({address for address in addresses if not is_loopback(address)}):
        where = ", ".join(exposed)
        problem = (
            f"on {where} everybody on the network could talk to the daemon: set server.auth_token_file "
            "(--auth-token-file FILE), or allow it with server.allow_anonymous (--allow-anonymous)"
        )
        raise ConfigError([problem])


def address_of(name: object, family: int) -> str:
    """Tell the address of a socket from its name; that of a kind nobody knows here counts as exposed."""
    if family == socket.AF_UNIX:
        return UNIX
    return str(name[0] if isinstance(name, tuple) else name)
