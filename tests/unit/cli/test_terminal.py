"""What commands draw on a real terminal: colours, hanging labels, a screen that refreshes and goes away."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

import pytest

from tests.fakes.daemon import FakeDaemon, failure, guidance, voice_response

COLUMNS = 80


class Screen:
    """A program on a pseudo terminal, and all that it wrote."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self.written = ""

    def read_until(self, enough: Callable[[str], bool] = lambda _: False) -> str:
        """Read until there is enough, or the program ends."""
        while not enough(self.written):
            try:
                data = os.read(self._terminal, 65_536)
            except OSError:  # how Linux says that nobody has the other end open
                break
            if not data:
                break
            self.written += data.decode(errors="replace")
        return self.written


@contextmanager
def on_a_terminal(folder: Path, *args: str) -> Iterator[Screen]:
    """Run a command on a terminal of 80 columns."""
    terminal, other_end = pty.openpty()
    ioctl(other_end, TIOCSWINSZ, pack("HHHH", 40, COLUMNS, 0, 0))
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "simplevoice", *args]
    with subprocess.Popen(command, stdout=other_end, stderr=other_end, cwd=folder, env=environ) as process:
        os.close(other_end)
        try:
            yield Screen(process, terminal)
        finally:
            process.kill()
            os.close(terminal)


def plain(text: str) -> str:
    """Drop the escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon().running() as running:
        yield running


def test_talk_draws_blocks_with_hanging_labels(daemon: FakeDaemon, tmp_path: Path) -> None:
    arabic = voice_response(language="ar", transcription="لا.", response_text="حسنا. " * 30)
    answers = iter([arabic, guidance(), failure()])
    daemon.answer = lambda _: [next(answers)]
    texts = [word for text in ("one", "two", "three") for word in ("--text", text)]
    with on_a_terminal(tmp_path, "talk", "--url", daemon.url, *texts, "--save", ".") as screen:
        written = screen.read_until()
        assert screen.process.wait(10) == 1
    assert "\x1b[1;32m" in written
    lines = plain(written).splitlines()
    assert "  heard     \u2067لا.\u2069" in [line.rstrip() for line in lines]
    assert "  guidance  Please speak up. (no_speech)" in [line.rstrip() for line in lines]
    reply = next(number for number, line in enumerate(lines) if line.startswith("  reply     "))
    assert lines[reply + 1].startswith(" " * 12 + "حسنا."), "a long reply goes on under itself"


def test_watch_draws_again_and_ctrl_c_leaves_a_clean_screen(daemon: FakeDaemon, tmp_path: Path) -> None:
    arguments = ["status", "--url", daemon.url, "--watch", "--interval", "0.1"]
    with on_a_terminal(tmp_path, *arguments) as screen:
        screen.read_until(lambda text: text.count("breaker open") >= 2)
        screen.process.send_signal(signal.SIGINT)
        written = screen.read_until()
        assert screen.process.wait(10) == 0
    assert "\x1b[?1049h" in written, "on a screen of its own"
    assert written.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h")), "which is left again"
    assert "Traceback" not in written


def test_watch_waits_for_a_daemon_that_is_away(unused_tcp_port: int, tmp_path: Path) -> None:
    arguments = ["status", "--url", f"ws://127.0.0.1:{unused_tcp_port}", "--watch", "--interval", "0.1"]
    with on_a_terminal(tmp_path, *arguments) as screen:
        written = screen.read_until(lambda text: "simplevoice serve" in text)
        assert screen.process.poll() is None
    assert "no daemon answers at" in plain(written)


def test_an_error_is_red(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, "nonsense") as screen:
        written = screen.read_until()
        assert screen.process.wait(10) == 2
    assert written.startswith("\x1b[31m\x1b[1merror: \x1b[0mNo such command 'nonsense'.")
