"""How much sound Whisper's encoder gets to see: the utterance and some silence behind it, not always 30 s.

Whisper is trained on windows of 30 s, and the encoder's cost grows with the window, not with the speech in it. A window
cut to the speech gives the same words in a fraction of the time, but with too little silence behind the speech the
decoder doesn't find its end and says it again, above all for a single short word.
"""

import math

import numpy as np
import numpy.typing as npt

from simplevoice.types import INPUT_SAMPLE_RATE

Samples = npt.NDArray[np.float32]
"""Sound at 16 kHz, within -1..1, shape (samples,)."""

FULL_SECONDS = 30.0
"""What Whisper was trained on, and the most that its positional embedding reaches."""

FLOOR_SECONDS = 9.0
"""Below, Whisper base soon makes more mistakes in single Arabic words than it does at 30 s."""

MARGIN_SECONDS = 2.0

STEP_SECONDS = 1.5
"""Windows have few lengths, so that speech of different lengths can be heard as one batch."""

LONGEST_PIECE_SECONDS = 20.0
"""Whisper base drops a sentence now and then, in any window longer than a few sentences, and no length prevents it.
Pieces of this length lose few words and take little time."""

SHORTEST_PIECE_SECONDS = LONGEST_PIECE_SECONDS / 2
PAUSE_SECONDS = 0.3


def window_seconds(speech_seconds: float) -> float:
    """Choose the window for speech of a length: in whole steps, never below the floor, never above 30 s."""
    steps = math.ceil((speech_seconds + MARGIN_SECONDS) / STEP_SECONDS)
    return min(FULL_SECONDS, max(FLOOR_SECONDS, steps * STEP_SECONDS))


def fit(samples: Samples, seconds: float) -> Samples:
    """Cut, or fill up with silence, to a length."""
    length = round(seconds * INPUT_SAMPLE_RATE)
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def split_at_pauses(samples: Samples) -> list[Samples]:
    """Divide what is too long for one window where it is quietest, so that no word is cut."""
    longest = round(LONGEST_PIECE_SECONDS * INPUT_SAMPLE_RATE)
    shortest = round(SHORTEST_PIECE_SECONDS * INPUT_SAMPLE_RATE)
    pieces: list[Samples] = []
    while len(samples) > longest:
        cut = shortest + _quietest(samples[shortest:longest])
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _quietest(samples: Samples) -> int:
    """Find the middle of the pause-long stretch with the least energy."""
    pause = round(PAUSE_SECONDS * INPUT_SAMPLE_RATE)
    energy = np.cumsum(np.square(samples, dtype=np.float64))
    return int(np.argmin(energy[pause:] - energy[:-pause])) + pause // 2
