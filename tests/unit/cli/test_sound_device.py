"""Microphone and loudspeakers: what waits to be played, and how PortAudio is driven, with a stand-in for its module."""

import builtins
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import click
import pytest

from simplevoice.cli.sound_device import MISSING, NO_PORTAUDIO, Pending, PortAudioDevice, default_device


class PortAudioError(Exception):
    pass


class Stream:
    """Records how it was made, and lets a test be the hardware."""

    made: list["Stream"]

    def __init__(self, *, callback: Callable[[Any, int, Any, Any], None], **made_as: Any) -> None:
        self.callback, self.format, self.started, self.closed = callback, made_as, False, False
        self.made.append(self)

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True


class Broken(Stream):
    def start(self) -> None:
        raise PortAudioError("Error querying device -1", -9996)


def module(output: type[Stream] = Stream) -> Any:
    Stream.made = []
    return SimpleNamespace(RawInputStream=Stream, RawOutputStream=output, PortAudioError=PortAudioError)


def test_sound_goes_in_and_out() -> None:
    heard: list[bytes] = []
    device = PortAudioDevice(module())
    device.open(heard.append)
    microphone, loudspeakers = Stream.made
    assert microphone.format == {"samplerate": 16_000, "channels": 1, "dtype": "int16", "blocksize": 320}
    assert loudspeakers.format == {"samplerate": 24_000, "channels": 1, "dtype": "int16", "blocksize": 480}
    assert microphone.started
    assert loudspeakers.started
    microphone.callback(memoryview(b"frame"), 0, None, None)
    assert heard == [b"frame"]
    device.play(b"abcdef")
    out = bytearray(4)
    loudspeakers.callback(memoryview(out), 0, None, None)
    assert (bytes(out), device.playing) == (b"abcd", True)
    loudspeakers.callback(memoryview(out), 0, None, None)
    assert (bytes(out), device.playing) == (b"ef\0\0", False)
    device.play(b"abcdef")
    device.flush()
    assert not device.playing
    device.close()
    device.close()
    assert microphone.closed
    assert loudspeakers.closed


def test_without_devices_nothing_stays_open() -> None:
    device = PortAudioDevice(module(Broken))
    with pytest.raises(click.ClickException, match="no microphone and loudspeakers can be used: Error querying"):
        device.open(print)
    assert all(stream.closed for stream in Stream.made)


def test_what_waits_is_taken_in_order_and_filled_with_silence() -> None:
    pending = Pending()
    assert not pending
    pending.add(b"ab")
    pending.add(b"c")
    assert pending
    assert [pending.take(2), pending.take(2)] == [b"ab", b"c\0"]
    pending.add(b"ab")
    pending.clear()
    assert pending.take(2) == b"\0\0"


@pytest.mark.parametrize(("error", "words"), [(ImportError(), MISSING), (OSError("not found"), NO_PORTAUDIO)])
def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    import_really = builtins.__import__

    def import_module(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "sounddevice":
            raise error
        return import_really(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_module)
    with pytest.raises(click.ClickException) as told:
        default_device()
    assert told.value.message == words


def test_the_default_is_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", module())
    assert isinstance(default_device(), PortAudioDevice)
