"""A microphone and loudspeakers: what a live conversation needs of them, and PortAudio's."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from simplevoice.types import INPUT_SAMPLE_RATE, OUTPUT_SAMPLE_RATE

FRAME_BYTES = INPUT_SAMPLE_RATE * 2 // 50

MISSING = "talking needs the extra that brings sounddevice: pip install 'simplevoice[audio]'; or give --file or --text"
NO_PORTAUDIO = (
    "the PortAudio library is missing: apt install libportaudio2, dnf install portaudio or brew install portaudio"
)


class SoundDevice(ABC):
    """A microphone and loudspeakers, 16-bit mono: 16 kHz in, 24 kHz out."""

    @abstractmethod
    def open(self, heard: Callable[[bytes], object]) -> None:
        """Begin. ``heard`` gets 20 ms at a time, called in a thread. Raises ClickException where there is no sound."""

    @abstractmethod
    def play(self, sound: bytes) -> None:
        """Play this behind what still plays. Doesn't wait."""

    @abstractmethod
    def flush(self) -> None:
        """Fall silent at once."""

    @property
    @abstractmethod
    def playing(self) -> bool:
        """Whether there is something left to play."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the devices; harmless when it is done again."""


class Pending:
    """Sound that waits for the loudspeakers, shared with their thread. A reply's length is its only bound."""

    def __init__(self) -> None:
        self._sound = bytearray()
        self._lock = threading.Lock()

    def add(self, sound: bytes) -> None:
        """Put sound behind the rest."""
        with self._lock:
            self._sound += sound

    def take(self, count: int) -> bytes:
        """Take so many bytes, silence where there are no more."""
        with self._lock:
            taken = bytes(self._sound[:count])
            del self._sound[:count]
        return taken.ljust(count, b"\0")

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._sound.clear()

    def __bool__(self) -> bool:
        return bool(self._sound)


class PortAudioDevice(SoundDevice):
    """The system's default microphone and loudspeakers."""

    def __init__(self, sounddevice: Any) -> None:
        self._sounddevice = sounddevice
        self._pending = Pending()
        self._streams: list[Any] = []

    def open(self, heard: Callable[[bytes], object]) -> None:
        """Open and start both streams."""

        def listen(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            heard(bytes(data))

        def speak(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            data[:] = self._pending.take(len(data))

        make = self._sounddevice
        try:
            for kind, rate, callback in (
                (make.RawInputStream, INPUT_SAMPLE_RATE, listen),
                (make.RawOutputStream, OUTPUT_SAMPLE_RATE, speak),
            ):
                stream = kind(samplerate=rate, channels=1, dtype="int16", blocksize=rate // 50, callback=callback)
                self._streams.append(stream)
                stream.start()
        except self._sounddevice.PortAudioError as error:
            self.close()
            raise click.ClickException(f"no microphone and loudspeakers can be used: {error.args[0]}") from None

    def play(self, sound: bytes) -> None:
        """Queue sound for the loudspeakers."""
        self._pending.add(sound)

    def flush(self) -> None:
        """Drop what waits; at most 20 ms and the hardware's own buffer still sound."""
        self._pending.clear()

    @property
    def playing(self) -> bool:
        """Whether sound waits."""
        return bool(self._pending)

    def close(self) -> None:
        """Abort and close the streams."""
        while self._streams:
            with suppress(self._sounddevice.PortAudioError):
                self._streams.pop().close()


def default_device() -> SoundDevice:
    """Give the default microphone and loudspeakers. Raises ClickException where sound can't be had."""
    try:
        import sounddevice
    except ImportError:
        raise click.ClickException(MISSING) from None
    except OSError:
        raise click.ClickException(NO_PORTAUDIO) from None
    return PortAudioDevice(sounddevice)
