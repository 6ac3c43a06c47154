"""What systemd and a daemon tell each other: where the daemon stands, that it is alive, and sockets it inherits."""

import os
import socket
from contextlib import suppress

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""


def notify(*states: str) -> bool:
    """Send states such as ``READY=1`` to systemd; False when it doesn't listen or can't take them (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or not states:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        channel.sendto("\n".join(states).encode(), address)
        return True
    return False


def watchdog_seconds() -> float | None:
    """Return the time within which systemd wants each sign of life, None for none (sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) else None


def inherited_sockets() -> list[tuple[str, socket.socket]]:
    """Take over the sockets of ``.socket`` units, with their names; none where there are none (sd_listen_fds(3)).

    Only the first call gives them, and processes started later inherit neither them nor the variables.
    Raises OSError for a descriptor that is no socket, or one that nobody can connect to.
    """
    for_pid, count, names = (os.environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if for_pid != str(os.getpid()) or not count.isdigit():
        return []
    named = dict(enumerate(names.split(":"))) if names else {}
    return [(named.get(n, "unknown"), _take_over(FIRST_DESCRIPTOR + n)) for n in range(int(count))]


def _take_over(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    inherited = socket.socket(fileno=descriptor)
    if not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        inherited.close()
        raise OSError(f"inherited descriptor {descriptor} is not a listening stream socket")
    return inherited
