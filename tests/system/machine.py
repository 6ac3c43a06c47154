"""A Debian 12 that boots: systemd in a container, without a network and without Python."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

BOOT_SECONDS, HALT_SECONDS = 60.0, 30.0
COMMAND_SECONDS = 180.0
POLL_SECONDS = 0.2

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}

BARE = ("python*", "libpython*", "perl5", "pip*", "espeak*", "ffmpeg*")
"""What must not be there for a program to prove that it brings its own. Debian's own tools need its perl-base."""

PATIENT = {
    "SIMPLEVOICE_LIMITS_TURN_TIMEOUT_SECONDS": "120",
    "SIMPLEVOICE_LIMITS_DRAIN_SECONDS": "40",
    "SIMPLEVOICE_STT_TIMEOUT_SECONDS": "60",
    "SIMPLEVOICE_LLM_TIMEOUT_SECONDS": "60",
}
"""Settings for a machine with much else to do: how fast answers are is tried elsewhere."""


class Machine:
    """A booted machine. ``root`` is its file system as this one sees it."""

    def __init__(self, root: Path, process: subprocess.Popen[bytes]) -> None:
        self.root = root
        self._process = process
        self._init = 0

    @classmethod
    @contextmanager
    def booted(cls, base: Path, folder: Path, binds: Mapping[Path, str]) -> Iterator[Self]:
        """Unpack ``base`` under ``folder``, boot it with files of this machine bound read-only, and leave nothing."""
        root = folder / "root"
        root.mkdir()
        try:
            subprocess.run(["tar", "-xf", base, "-C", root], check=True)
            with (folder / "console").open("wb") as console:
                process = subprocess.Popen(
                    [
                        *(
                            "setpriv",
                            "--pdeathsig",
                            "KILL",
                            "systemd-nspawn",
                            "--quiet",
                            f"--directory={root}",
                            "--machine=simplevoice-test",
                        ),
                        *("--register=no", "--keep-unit", "--private-network"),
                        *(f"--bind-ro={source}:{place}" for source, place in binds.items()),
                        *("--boot", "systemd.unified_cgroup_hierarchy=0"),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    start_new_session=True,
                )
                machine = cls(root, process)
                try:
                    machine._wait_for_boot()
                    yield machine
                finally:
                    machine._halt()
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _wait_for_boot(self) -> None:
        self.wait_until(self._is_up, "the machine boots", BOOT_SECONDS)

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "systemd-nspawn ended"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._init = int(children[0]) if children else 0
        return bool(self._init) and self.run("systemctl", "is-system-running", check=False) in ("running", "degraded")

    def _halt(self) -> None:
        """Power off, by force when it takes too long."""
        if self._process.poll() is None and self._init:
            subprocess.run([*self._enter(), "systemctl", "poweroff"], check=False, capture_output=True)
        try:
            self._process.wait(HALT_SECONDS)
        except subprocess.TimeoutExpired:
            if self._init:
                os.kill(self._init, signal.SIGKILL)  # and with it all that is in its namespace
            self._process.kill()
            self._process.wait()

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self._init}", "--all", "env", "--chdir=/"]

    def start(self, *command: str, user: str = "root", **environment: str) -> subprocess.Popen[str]:
        """Start a program inside, with its input and output at hand."""
        become = () if user == "root" else ("runuser", "--user", user, "--")
        home = {} if user == "root" else {"HOME": f"/home/{user}"}
        return subprocess.Popen(
            [*self._enter(), *become, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT | home | environment,
            encoding="utf-8",
            errors="replace",
        )

    def run(self, *command: str, user: str = "root", check: bool = True, **environment: str) -> str:
        """Run a program inside to its end; gives what it said, without the last line's end."""
        with self.start(*command, user=user, **environment) as process:
            try:
                output, _ = process.communicate(timeout=COMMAND_SECONDS)
            finally:
                process.kill()
        assert not check or process.returncode == 0, f"{' '.join(command)} exited with {process.returncode}: {output}"
        return output.rstrip("\n")

    def beside(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a program of this machine in the other one's network."""
        return subprocess.Popen(
            ["nsenter", f"--target={self._init}", "--net", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for something that nobody tells."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
            time.sleep(POLL_SECONDS)

    def files(self) -> set[str]:
        """Every file and folder, but those that come and go by themselves."""
        found = self.run(
            "find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-path", "/run", "-prune", "-o", "-print"
        )
        return set(found.splitlines())
