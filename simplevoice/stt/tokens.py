"""What Whisper's decoder is asked with, and how the tokens that it answers become text.

CTranslate2 takes and gives tokens by their names. Those of text are bytes, written in the alphabet of GPT-2; all
others, such as timestamps, have names in angle brackets.
"""

import re
from collections.abc import Iterable

from simplevoice.types import Language

_CONTROL = re.compile(r"<\|.+\|>")


def _alphabet() -> dict[str, int]:
    """Give the byte of each letter: one that can be seen stands for itself, the others begin at U+0100."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _alphabet()


def prompt(language: Language | None, *, timed: bool) -> list[str]:
    """Ask for a transcript in a language, or of a model that knows only English (None), with timestamps or without."""
    asked = ["<|startoftranscript|>"]
    if language:
        asked += [f"<|{language}|>", "<|transcribe|>"]
    return asked if timed else [*asked, "<|notimestamps|>"]


def of_text(tokens: Iterable[str]) -> list[str]:
    """Leave out all that is no text."""
    return [token for token in tokens if not _CONTROL.fullmatch(token)]


def text_of(tokens: Iterable[str]) -> str:
    """Read tokens of text; half a letter, where the decoder was cut off, becomes U+FFFD."""
    return bytes(_BYTES[letter] for token in tokens for letter in token).decode(errors="replace")
