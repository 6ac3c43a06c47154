"""How far into a text its speech has come, told by a service that sends MP3 and says when it pronounces which word."""

from simplevoice.speech.mp3 import FrameSplitter

SAMPLE_RATE = 24_000
TICKS_PER_SECOND = 10_000_000


class Progress:
    """One text, and its sound as it comes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = 0
        self._splitter = FrameSplitter()
        self._at = 0
        self._words: list[tuple[float, int]] = []

    def take(self, data: bytes) -> bytes:
        """Return the MP3 frames that are whole now."""
        frames = self._splitter.feed(data)
        self.samples += sum(header.samples for header, _ in frames)
        return b"".join(frame for _, frame in frames)

    def pronounced(self, word: str, until: float) -> None:
        """Note that the sound of the next word ends at ``until``, in ticks of 100 ns."""
        start = self.text.find(word, self._at)
        if start >= 0:
            self._at = start + len(word)
            self._words.append((until, self._at))

    @property
    def seconds(self) -> float:
        """How much sound has come."""
        return self.samples / SAMPLE_RATE

    @property
    def rest(self) -> str:
        """The text after the last word whose sound came whole: a word cut in two is said again."""
        heard = self.seconds * TICKS_PER_SECOND
        at = max((end for until, end in self._words if until <= heard), default=0)
        rest = self.text[at:].lstrip(" ,.;:!?…،؛؟۔")
        return rest if any(c.isalnum() for c in rest) else ""
