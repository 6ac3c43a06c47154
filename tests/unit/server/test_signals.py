import asyncio
import os
import pty
import signal
import subprocess
import sys

import pytest

from simplevoice.server import signals as signals_module
from simplevoice.server.signals import STOPPING, Signals


@pytest.mark.parametrize("number", STOPPING)
async def test_the_first_asks_to_stop_and_a_second_leaves(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    left: list[int] = []
    monkeypatch.setattr(signals_module, "leave", left.append)
    with Signals.caught() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await signals.stop.wait()
        assert left == []
        os.kill(os.getpid(), number)
        while not left:
            await asyncio.sleep(0)
    assert left == [128 + number]


async def test_sighup_asks_to_reload() -> None:
    with Signals.caught() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        await signals.wait_for_reload()
        assert not signals.stop.is_set()


ON_A_TERMINAL = """
import asyncio, fcntl, signal, sys, termios
from simplevoice.server.signals import Signals

async def main():
    with Signals.caught() as signals:
        print("caught", flush=True)
        waits = asyncio.create_task(signals.stop.wait()), asyncio.create_task(signals.wait_for_reload())
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        print("stop" if signals.stop.is_set() else "reload", flush=True)

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1:] == ["nohup"]:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("arguments", "closed", "asked_for"), [([], True, "stop"), ([], False, "reload"), (["nohup"], True, "reload")]
)
def test_a_terminal_that_is_closed_takes_the_daemon_with_it(arguments: list[str], closed: bool, asked_for: str) -> None:
    window, terminal = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL, *arguments]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, text=True, start_new_session=True) as daemon:
        os.close(terminal)
        assert daemon.stdout
        assert daemon.stdout.readline() == "caught\n"
        if closed:
            os.close(window)
        else:
            daemon.send_signal(signal.SIGHUP)
        assert daemon.stdout.readline() == f"{asked_for}\n"
    if not closed:
        os.close(window)


LEAVING = """
import threading
import structlog
from simplevoice import logs
from simplevoice.config import LoggingConfig
from simplevoice.server.signals import leave
with logs.configure(LoggingConfig(format="json")):
    threading.Thread(target=threading.Event().wait).start()
    structlog.get_logger().warning("the last words")
    leave(143)
"""


def test_leaving_writes_the_log_and_waits_for_no_thread() -> None:
    ended = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 143
    assert "the last words" in ended.stderr
