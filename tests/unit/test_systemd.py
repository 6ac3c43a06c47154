import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simplevoice import systemd


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert systemd.notify("READY=1") is False


@pytest.mark.parametrize("abstract", [False, True])
def test_states_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"simplevoice-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        assert systemd.notify("READY=1", "STATUS=ready → يعمل") is True
        assert listener.recv(100).decode() == "READY=1\nSTATUS=ready → يعمل"
        assert systemd.notify() is False


def test_a_socket_that_is_gone_or_full_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert systemd.notify("READY=1") is False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        sent = 0
        while systemd.notify("WATCHDOG=1"):
            sent += 1
            assert sent < 100_000
    assert systemd.notify("READY=1") is False


@pytest.mark.parametrize(
    ("microseconds", "process", "expected"),
    [
        ("30000000", None, 30.0),
        ("500000", str(os.getpid()), 0.5),
        ("30000000", "1", None),
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog(
    monkeypatch: pytest.MonkeyPatch, microseconds: str | None, process: str | None, expected: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", process)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert systemd.watchdog_seconds() == expected


FIRST = 100
Activate = Callable[..., None]


@pytest.fixture
def activate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Activate]:
    """Hand sockets over as systemd does, from descriptor FIRST on, which no test runner uses."""
    handed: list[int] = []
    monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", FIRST)

    def hand_over(*sockets: socket.socket, names: str = "", process: int | None = None) -> None:
        for n, given in enumerate(sockets):
            handed.append(os.dup2(given.detach(), FIRST + n, inheritable=True))
        monkeypatch.setenv("LISTEN_PID", str(process or os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", str(len(sockets)))
        monkeypatch.setenv("LISTEN_FDNAMES", names)

    yield hand_over
    for descriptor in handed:
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test closed the socket


def listener(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    return socket.create_server(("127.0.0.1" if family is socket.AF_INET else "::1", 0), family=family)


def test_sockets_are_inherited_with_their_names_and_families(activate: Activate, tmp_path: Path) -> None:
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "socket"))
    local.listen()
    activate(listener(), listener(socket.AF_INET6), local, names="web:web:local")
    inherited = systemd.inherited_sockets()
    assert [name for name, _ in inherited] == ["web", "web", "local"]
    assert [s.family for _, s in inherited] == [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]
    assert not any(s.get_inheritable() for _, s in inherited)
    assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & os.environ.keys()
    assert systemd.inherited_sockets() == [], "only the first call gives them"
    for _, one in inherited:
        one.close()


def test_sockets_without_names(activate: Activate) -> None:
    activate(listener())
    [(name, inherited)] = systemd.inherited_sockets()
    assert name == "unknown"
    inherited.close()


def test_sockets_of_another_process_are_left_alone(activate: Activate) -> None:
    activate(listener(), process=1)
    assert systemd.inherited_sockets() == []


def test_without_sockets_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LISTEN_PID", raising=False)
    assert systemd.inherited_sockets() == []


def test_a_socket_that_nobody_can_connect_to_is_an_error(activate: Activate) -> None:
    activate(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with pytest.raises(OSError, match="not a listening stream socket"):
        systemd.inherited_sockets()
