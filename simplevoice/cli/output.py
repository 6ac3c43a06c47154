"""What commands print: rich where a terminal is, plain lines elsewhere."""

import sys

from rich.console import Console

from simplevoice.types import Language

_RIGHT_TO_LEFT_ISOLATE = "\u2067"
_POP_DIRECTIONAL_ISOLATE = "\u2069"


PIPE_COLUMNS = 160


def console() -> Console:
    """Make the console of standard output. What isn't a terminal has no width to fit."""
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(width=width, highlight=False, markup=False, emoji=False)


def directed(text: str, language: Language, out: Console) -> str:
    """Isolate Arabic on a terminal, so that its punctuation stands at the right end between Latin labels."""
    if language != "ar" or not out.is_terminal:
        return text
    return f"{_RIGHT_TO_LEFT_ISOLATE}{text}{_POP_DIRECTIONAL_ISOLATE}"


def milliseconds(value: float) -> str:
    """Say a duration as people read it."""
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.2f} s"


def duration(seconds: float) -> str:
    """Say a long duration in its two largest units."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
