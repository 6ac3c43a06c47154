"""Tell systemd where the daemon stands."""

import os
import socket


def notify(state: str) -> bool:
    """Send a state such as ``READY=1`` to the socket in ``NOTIFY_SOCKET``; False when nobody listens (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        channel.connect(address)
        channel.send(state.encode())
    return True
