"""What the operator asks for by signals: SIGTERM or SIGINT to stop, a second one to leave at once, SIGHUP to reload."""

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

    @classmethod
    @contextmanager
    def caught(cls) -> Iterator["Signals"]:
        """Take the signals while the context lasts."""
        signals, loop = cls(), asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, signals._stop, number)
        loop.add_signal_handler(signal.SIGHUP, signals._reload.set)
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


def leave(code: int) -> NoReturn:
    """End the process now, whatever its threads are at; what was logged is written."""
    logging.shutdown()
    os._exit(code)
