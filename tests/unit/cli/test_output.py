"""How numbers and texts are written for people."""

import io

import pytest
from rich.console import Console

from simplevoice.cli.output import directed, duration, milliseconds


@pytest.mark.parametrize(("value", "words"), [(0, "0 ms"), (999.4, "999 ms"), (1000, "1.00 s"), (12_345, "12.35 s")])
def test_milliseconds(value: float, words: str) -> None:
    assert milliseconds(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_061, "1 d 1 h"), (864_000, "10 d 0 h")],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_arabic_is_isolated_on_a_terminal_only() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True)
    pipe = Console(file=io.StringIO(), force_terminal=False)
    assert directed("نعم.", "ar", terminal) == "\u2067نعم.\u2069"
    assert directed("نعم.", "ar", pipe) == "نعم."
    assert directed("Yes.", "en", terminal) == "Yes."
