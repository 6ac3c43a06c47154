"""A microphone and loudspeakers without a sound card."""

from collections.abc import Callable

from simplevoice.cli.sound_device import FRAME_BYTES, SoundDevice


class FakeSoundDevice(SoundDevice):
    """What is said into it is heard at once; what is played is kept, and goes on playing until a test ends it."""

    def __init__(self) -> None:
        self.played = bytearray()
        self.flushes = 0
        self.opened = False
        self.sounding = False
        self._heard: Callable[[bytes], object]

    def open(self, heard: Callable[[bytes], object]) -> None:
        self.opened = True
        self._heard = heard

    def say(self, pcm: bytes) -> None:
        """Speak into the microphone, in frames of 20 ms."""
        for start in range(0, len(pcm), FRAME_BYTES):
            self._heard(pcm[start : start + FRAME_BYTES])

    def play(self, sound: bytes) -> None:
        self.played += sound
        self.sounding = True

    def flush(self) -> None:
        self.flushes += 1
        self.sounding = False

    @property
    def playing(self) -> bool:
        return self.sounding

    def close(self) -> None:
        self.opened = False
