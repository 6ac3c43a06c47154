"""The Debian package under systemd, from installing to purging, in the order in which an administrator meets it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.machine import PATIENT, Machine

pytestmark = [pytest.mark.system, pytest.mark.timeout(500)]

UNIT, DOOR = "simplevoice.service", "simplevoice.socket"
URL = "ws://127.0.0.1:8000/ws/simple-voice-chat"
SETTINGS = "etc/simplevoice/simplevoice.toml"

READY_SECONDS = 150.0
"""On a machine with much else to do; alone it takes a tenth."""

WATCHDOG_SECONDS = 15
CLIENTS = 4

OWN = re.compile(r"simplevoice")
"""What belongs to the package has its name somewhere in its path."""


class Service:
    """The unit, as systemctl, the journal and a client on the machine see it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def show(self, name: str, unit: str = UNIT) -> str:
        """Give a property of the unit."""
        return self.machine.run("systemctl", "show", "--property", name, "--value", unit)

    @property
    def pid(self) -> int:
        """The daemon's process, as the machine counts; 0 for none."""
        return int(self.show("MainPID"))

    @property
    def is_active(self) -> bool:
        return self.show("ActiveState") == "active"

    def wait_until_ready(self, *, instead_of: int = 0) -> None:
        """Wait for a daemon that says READY=1, another one than that process."""
        try:
            self.machine.wait_until(
                lambda: self.is_active and self.pid not in (0, instead_of), "the daemon is ready", READY_SECONDS
            )
        except AssertionError as error:
            error.add_note(self.machine.run("systemctl", "status", "--no-pager", "--full", UNIT, check=False))
            raise

    def log(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log that tell of an event."""
        lines = self.machine.run("journalctl", f"--unit={UNIT}", "--output=cat", "--no-pager").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]

    def wait_for_log(self, event: str, count: int) -> dict[str, Any]:
        """Wait until it has logged an event ``count`` times; gives that line."""
        self.machine.wait_until(lambda: len(self.log(event)) >= count, f"{event} is logged", READY_SECONDS)
        return self.log(event)[count - 1]

    def converse(self) -> None:
        """Send a recording and get speech for it."""
        said = self.machine.run(
            *("simplevoice", "talk", "--language", "en", "--file", "/srv/recordings/en-LJ001-0012.wav"),
            *("--save", "/var/tmp/answer.mp3"),
        )
        answer = self.machine.root / "var/tmp/answer.mp3"
        assert "espeak" in said, said
        assert answer.stat().st_size > 5000
        answer.unlink()

    def set(self, section: str, line: str) -> None:
        """Change a setting in the file of the package: its line, which is a comment at first."""
        file = self.machine.root / SETTINGS
        before, header, after = file.read_text().partition(f"\n[{section}]\n")
        name = line.partition(" ")[0]
        after, count = re.subn(rf"^#?{name} = .*$", line, after, count=1, flags=re.MULTILINE)
        assert (header, count) == (f"\n[{section}]\n", 1)
        file.write_text(before + header + after)


@pytest.fixture(scope="module")
def machine(base: Path, package: Path, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    newer = _newer(package, tmp_path_factory.mktemp("newer"))
    binds = {recordings: "/srv/recordings", package: "/srv/simplevoice.deb", newer: "/srv/newer.deb"}
    with Machine.booted(base, tmp_path_factory.mktemp("machine"), binds) as machine:
        yield machine


def _newer(package: Path, folder: Path) -> Path:
    """Make the package of a next version, with the same in it, and other settings as the default."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 999", control.read_text(), flags=re.MULTILINE))
    with (tree / SETTINGS).open("a") as settings:
        settings.write("# of the next version\n")
    newer = folder / "newer.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, newer], check=True, capture_output=True
    )
    return newer


@pytest.fixture(scope="module")
def files_before(machine: Machine) -> set[str]:
    """What is on the machine before the package comes."""
    return machine.files()


@pytest.fixture(scope="module")
def service(machine: Machine, weights: Path, files_before: set[str]) -> Service:
    """The package installed, with weights in place as `simplevoice models pull` would put them."""
    cache = machine.root / "var/cache/simplevoice"
    cache.mkdir()
    subprocess.run(["cp", "-r", weights, cache / "models"], check=True)
    (machine.root / "etc/simplevoice").mkdir()
    (machine.root / "etc/simplevoice/environment").write_text("".join(f"{k}={v}\n" for k, v in PATIENT.items()))
    machine.run("dpkg", "--install", "/srv/simplevoice.deb", DEBIAN_FRONTEND="noninteractive")
    return Service(machine)


def test_the_units_are_right(service: Service) -> None:
    assert service.machine.run("systemd-analyze", "verify", UNIT, DOOR) == ""
    exposure = service.machine.run("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
    found = re.search(r"exposure level for simplevoice\.service: (\d+\.\d+)", exposure)
    assert found, exposure
    assert float(found[1]) <= 2.0


def test_it_comes_up_by_itself(service: Service) -> None:
    service.wait_until_ready()
    assert service.show("UnitFileState") == "enabled"
    assert service.show("NRestarts") == "0"
    owner = service.machine.run("stat", "--format=%U", f"/proc/{service.pid}")
    assert owner == "simplevoice"


def test_a_conversation(service: Service) -> None:
    service.converse()


def test_killed_it_starts_anew(service: Service) -> None:
    killed = service.pid
    service.machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    service.wait_until_ready(instead_of=killed)
    service.converse()


@pytest.fixture
def short_watchdog(service: Service) -> Iterator[None]:
    """A shorter one than operators have, so that nobody waits for it."""
    drop_in = Path(f"/run/systemd/system/{UNIT}.d/watchdog.conf")
    text = f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n"
    run = service.machine.run
    run("sh", "-c", f"mkdir -p {drop_in.parent} && printf '{text}' >{drop_in}")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)
    yield
    run("rm", "-r", str(drop_in.parent))
    run("systemctl", "daemon-reload")


def test_stalled_it_is_killed_and_starts_anew(service: Service, short_watchdog: None) -> None:
    stalled = service.pid
    service.machine.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", UNIT)
    service.wait_until_ready(instead_of=stalled)
    said = service.machine.run("journalctl", f"--unit={UNIT}", "--output=cat", "--grep=Watchdog timeout")
    assert "Watchdog timeout" in said
    service.converse()


def test_settings_are_reloaded(service: Service) -> None:
    before = service.pid
    service.set("limits", "max_connections = 65")
    service.machine.run("systemctl", "reload", UNIT)
    assert service.wait_for_log("settings_reloaded", 1)["changed"] == ["limits.max_connections"]
    assert service.pid == before


def test_wrong_settings_change_nothing(service: Service) -> None:
    before = service.pid
    service.set("limits", "max_connections = 0")
    service.machine.run("systemctl", "reload", UNIT)
    [problem] = service.wait_for_log("settings_refused", 1)["problems"]
    assert "limits.max_connections" in problem
    assert service.pid == before
    service.converse()
    service.set("limits", "max_connections = 65")


def test_the_journal_knows_levels(service: Service) -> None:
    worse = service.machine.run("journalctl", f"--unit={UNIT}", "--output=cat", "--priority=warning")
    assert "settings_refused" in worse
    assert "settings_reloaded" not in worse


def test_a_restart_behind_a_socket_refuses_nobody_and_loses_no_turn(service: Service) -> None:
    machine = service.machine
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "enable", "--now", DOOR)
    machine.run("systemctl", "start", UNIT)
    load = machine.beside(sys.executable, Path(__file__).with_name("load.py"), URL, str(CLIENTS))
    try:
        machine.wait_until(lambda: _talking(service), "clients talk", 30)
        for _ in range(2):
            machine.run("systemctl", "restart", UNIT)
            time.sleep(2)  # some turns in between
        output, _ = load.communicate(timeout=60)
    finally:
        load.kill()
    counts = json.loads(output)
    assert counts.keys() <= {"connections", "asked", "answered"}, counts
    assert counts["asked"] == counts["answered"] >= 3 * CLIENTS


def _talking(service: Service) -> bool:
    return f"{CLIENTS} connections" in service.show("StatusText")


def test_it_stops_in_time(service: Service) -> None:
    machine = service.machine
    load = machine.beside(sys.executable, Path(__file__).with_name("load.py"), URL, str(CLIENTS))
    try:
        machine.wait_until(lambda: _talking(service), "clients talk", 30)
        machine.run("systemctl", "stop", DOOR, UNIT)
    finally:
        load.kill()
        load.communicate()
    assert service.show("Result") == "success"  # timeout, had it been killed
    assert service.show("ExecMainStatus") == "0"
    machine.run("systemctl", "start", UNIT)


def test_an_upgrade_keeps_settings_and_restarts(service: Service) -> None:
    before = service.pid
    (service.machine.root / "etc/simplevoice/stt.api_key").write_text("secret\n")
    service.machine.run("dpkg", "--force-confold", "--install", "/srv/newer.deb", DEBIAN_FRONTEND="noninteractive")
    service.wait_until_ready(instead_of=before)
    settings = (service.machine.root / SETTINGS).read_text()
    assert "\nmax_connections = 65\n" in settings
    assert "of the next version" not in settings
    service.converse()


def test_what_an_administrator_disabled_stays_so(service: Service) -> None:
    service.machine.run("systemctl", "disable", "--now", UNIT)
    service.machine.run("dpkg", "--install", "/srv/newer.deb", DEBIAN_FRONTEND="noninteractive")
    assert not service.is_active
    assert service.show("UnitFileState") == "disabled"


def test_removed_it_keeps_settings_and_weights(service: Service) -> None:
    service.machine.run("dpkg", "--remove", "simplevoice")
    assert (service.machine.root / SETTINGS).exists()
    assert (service.machine.root / "var/cache/simplevoice/models/whisper-base").is_dir()
    assert not (service.machine.root / "usr/lib/simplevoice").exists()


def test_purged_nothing_is_left(service: Service, files_before: set[str]) -> None:
    service.machine.run("dpkg", "--purge", "simplevoice")
    left = service.machine.files() - files_before
    assert sorted(file for file in left if OWN.search(file)) == []
    assert "simplevoice" not in (service.machine.root / "etc/passwd").read_text()
    assert service.machine.run("systemctl", "--failed", "--quiet") == ""
