import asyncio
import os
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
