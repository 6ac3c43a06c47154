"""Single keys, on a pseudo terminal."""

import asyncio
import os
import pty
import sys
import termios
from collections.abc import Iterator
from io import StringIO

import pytest

from simplevoice.cli.keys import on_key


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Both ends of a terminal whose other end is standard input."""
    typed, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typed, terminal
    os.close(typed)


async def test_a_key_acts_and_the_terminal_is_left_as_it_was(keyboard: tuple[int, int]) -> None:
    typed, terminal = keyboard
    before = termios.tcgetattr(terminal)
    pressed = asyncio.Event()
    with on_key(pressed.set):
        assert not termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ICANON)
        assert termios.tcgetattr(terminal)[3] & termios.ISIG, "ctrl-C is a signal still"
        os.write(typed, b"x ")
        await asyncio.wait_for(pressed.wait(), 10)
    assert termios.tcgetattr(terminal) == before


async def test_other_keys_do_nothing(keyboard: tuple[int, int]) -> None:
    pressed: list[str] = []
    with on_key(lambda: pressed.append("now")):
        os.write(keyboard[0], b"abc")
        await asyncio.sleep(0)
        os.write(keyboard[0], b"\n")
        async with asyncio.timeout(10):
            while not pressed:
                await asyncio.sleep(0.005)
    assert pressed == ["now"]


async def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())
    with on_key(lambda: None):
        pass
