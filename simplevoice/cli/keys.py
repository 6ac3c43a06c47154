"""Single keys of a terminal, while something else goes on."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_key(act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` in the running loop when space or enter is pressed, and leave the terminal as it was found.

    Where standard input is no terminal there are no keys.
    """
    if not sys.stdin.isatty():
        yield
        return
    # Opened anew: not to block is a property that standard input may share with standard output.
    terminal = os.open(os.ttyname(sys.stdin.fileno()), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def read() -> None:
        if set(os.read(terminal, 64)) & set(b" \r\n"):
            act()

    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)  # without echo; ctrl-C stays a signal
        loop.add_reader(terminal, read)
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        os.close(terminal)
