"""What the operator asks for by signals: SIGTERM or SIGINT to stop, a second one to leave at once, SIGHUP to reload.

SIGHUP also says that the terminal is gone on which the daemon was started: then it stops, as other programs do there.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Events that signals set, on the event loop."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._on_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # that is nohup

    @classmethod
    @contextmanager
    def caught(cls) -> Iterator["Signals"]:
        """Take the signals while the context lasts."""
        signals, loop = cls(), asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, signals._stop, number)
        loop.add_signal_handler(signal.SIGHUP, signals._hang_up)
        try:
            yield signals
        finally:
            for number in (*STOPPING, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def wait_for_reload(self) -> None:
        """Wait until a reload is asked for, which may have been before."""
        await self._reload.wait()
        self._reload.clear()

    def _stop(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            log.warning("leaving_at_once", signal=number.name)
            leave(128 + number)
        self.stop.set()

    def _hang_up(self) -> None:
        if self._on_terminal and not _has_terminal():
            self.stop.set()
        else:
            self._reload.set()


def _has_terminal() -> bool:
    """Tell whether a terminal controls this process; none does once its window is closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def leave(code: int) -> NoReturn:
    """End the process now, whatever its threads are at; what was logged is written."""
    logging.shutdown()
    os._exit(code)
