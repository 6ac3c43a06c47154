"""How long each step of our Whisper takes: making spectrograms, encoding, decoding."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from simplevoice.stt.whisper_model import Recognizer

SPECTROGRAM, ENCODER, ALL = "_features_of", "_encode", "hear"
"""Each is called by the next, and the decoder by the last."""


class Steps:
    """A stopwatch for each step."""

    def __init__(self) -> None:
        self._ms: defaultdict[str, float] = defaultdict(float)

    def clear(self) -> None:
        """Begin anew."""
        self._ms.clear()

    def take(self, all_ms: float) -> dict[str, float]:
        """Tell the ms of each step since it began anew, and what is left of all the time since then."""
        spectrogram, encoder, hear = (self._ms[name] for name in (SPECTROGRAM, ENCODER, ALL))
        return {
            "spectrograms": spectrogram,
            "encoder": encoder - spectrogram,
            "decoder": hear - encoder,
            "the rest": all_ms - hear,
        }

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Measure each call of a step."""

        @wraps(step)
        def measured(*given: Any) -> Any:
            begun = time.perf_counter()
            try:
                return step(*given)
            finally:
                self._ms[name] += (time.perf_counter() - begun) * 1000

        return measured


@contextmanager
def watched_steps() -> Iterator[Steps]:
    """Measure every recognizer that is made meanwhile."""
    steps = Steps()
    with ExitStack() as patches:
        for name in (SPECTROGRAM, ENCODER, ALL):
            patches.enter_context(patch.object(Recognizer, name, steps.timed(name, getattr(Recognizer, name))))
        yield steps
