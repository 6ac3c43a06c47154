"""What one pass of Whisper heard in one window: how far it is to be believed, and how windows become a transcript."""

from collections.abc import Sequence

import msgspec

from simplevoice.stt import Transcript
from simplevoice.stt.judge import ends_twice, is_loop, verdict
from simplevoice.types import Language

DOUBTED = -0.8
"""Below this average log probability the quick pass is not believed. Words that are right are seldom below."""

HOPELESS = 0.6
"""Above this no-speech probability a quick pass that got lost is not repeated: noise, and seconds of work."""


class Hearing(msgspec.Struct, frozen=True):
    """What one pass heard in one window."""

    text: str
    tokens: int
    """Of the text alone."""
    log_probability: float
    """Of the whole sequence, a token of text and its end: timestamps, which are nearly sure, don't dilute it."""
    no_speech_probability: float
    complete: bool
    """Whether the decoder came to an end by itself."""

    @property
    def lost(self) -> bool:
        """Whether the decoder went on for ever, or round in circles."""
        return not self.complete or is_loop(self.text)

    @property
    def hopeless(self) -> bool:
        """Whether it is not worth another pass."""
        return self.lost and self.no_speech_probability > HOPELESS

    @property
    def doubtful(self) -> bool:
        """Whether a thorough pass may hear it better."""
        return self.lost or self.log_probability < DOUBTED or ends_twice(self.text)


def join(heard: Sequence[Hearing], language: Language) -> Transcript:
    """Put the windows of an utterance together, without those in which nobody spoke."""
    spoken = [h for h in heard if verdict(_transcript([h], language)) != "no_speech"]
    return _transcript(spoken or heard, language)


def _transcript(heard: Sequence[Hearing], language: Language) -> Transcript:
    tokens = sum(h.tokens + 1 for h in heard)
    return Transcript(
        text=" ".join(h.text for h in heard if h.text),
        language=language,
        no_speech_probability=min(h.no_speech_probability for h in heard),
        average_log_probability=min(0.0, sum(h.log_probability * (h.tokens + 1) for h in heard) / tokens),
    )
