"""Cuts a streamed reply into pieces that can be spoken one after the other.

Where to cut is decided from the characters alone, never from where the stream happened to be cut, and only when no
later character could change the decision. So the same reply gives the same pieces, however it arrives.
"""

import re

from simplevoice.speech.speakable import speakable_line
from simplevoice.speech.thoughts import ThoughtFilter

LONGEST = 200
"""Characters. A longer run without the end of a sentence, 12 s of speech or so, is cut between words."""
WINDOW = LONGEST + 40
"""Characters looked at for one cut: the longest piece and what may follow a mark before it is known to be an end."""
FEWEST_WORDS = 3
"""A clause with fewer words is not spoken alone."""

MARK = re.compile(
    r"""\n | (?P<mark>[.!?…؟۔]+|[,،;؛:—–]) (?P<closers>["'”’»)\]}*_~`]*) (?P<space>[^\S\n]*)""", re.VERBOSE
)
FIRST_CLAUSE_MARKS = ",،;؛:—–"
CLAUSE_MARKS = ";؛:"
ARABIC_MARKS = "؟۔؛،"
"""Often written without a space behind them."""

BRACKET = re.compile(r"(?<![:;=-])(?P<opening>[(\[{])(?=\S)|[)\]}]")
TITLES = re.compile("dr|mr|mrs|ms|mx|prof|st|sr|jr|rev|hon|gen|col|maj|capt|lt|sgt|gov|sen|rep|mt|ft|vs|approx")
BEFORE_NUMBERS = re.compile("no|nos|fig|vol|ch|p|pp|art|sec|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec")
ABBREVIATION = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
TIMES_OF_DAY = ("a.m", "p.m")


class ReplyCutter:
    """One reply, as it is made."""

    def __init__(self) -> None:
        self._thoughts = ThoughtFilter()
        self._text = ""
        self._anything_spoken = False
        self._in_endless_word = False

    def feed(self, piece: str) -> list[str]:
        """Take a piece of the stream; return the speakable pieces, never empty ones, that are complete by now."""
        text, retract = self._thoughts.feed(piece)
        if retract:
            self._text = ""
            self._in_endless_word = False
        return self._take(text)

    def flush(self) -> list[str]:
        """Return the rest, at the end of the stream."""
        return self._take(self._thoughts.flush() + "\n")

    def _take(self, text: str) -> list[str]:
        if self._in_endless_word:
            text = self._behind_endless_word(text)
        self._text = (self._text + text).lstrip()
        pieces = []
        while end := self._next_cut():
            line, rest = self._text[:end], self._text[end:]
            self._text = (self._behind_endless_word(rest) if self._in_endless_word else rest).lstrip()
            if spoken := speakable_line(line):
                pieces.append(spoken)
                self._anything_spoken = True
        return pieces

    def _behind_endless_word(self, text: str) -> str:
        rest = re.search(r"\s", text)
        self._in_endless_word = rest is None
        return text[rest.start() :] if rest else ""

    def _next_cut(self) -> int:
        """Find where the next piece ends; 0 as long as that is not certain."""
        window = self._text[:WINDOW]
        for match in MARK.finditer(window):
            if match[0] == "\n":
                return match.end()
            if match.end() == len(window):
                break
            if window[match.end()] != "\n" and self._ends_piece(window, match):
                return match.end()
        return self._forced_cut(window) if len(window) == WINDOW else 0

    def _ends_piece(self, window: str, match: re.Match[str]) -> bool:
        mark, following = match["mark"], window[match.end()]
        if not match["space"] and (following.isdigit() or not any(c in ARABIC_MARKS for c in mark)):
            return False
        if _in_brackets(window[: match.end("closers")]):
            return False
        if mark in FIRST_CLAUSE_MARKS:
            return self._ends_clause(window, match)
        if following.islower() and (mark == "." or len(mark) > 1 or mark == "…" or match["closers"]):
            return False
        return mark != "." or not _is_abbreviated(window[: match.start()], following)

    def _ends_clause(self, window: str, match: re.Match[str]) -> bool:
        if self._anything_spoken and match["mark"] not in CLAUSE_MARKS:
            return False
        if window[match.start() - 1 : match.start()].isdigit() and window[match.end()].isdigit():
            return False
        return len(speakable_line(window[: match.end()]).split()) >= FEWEST_WORDS

    def _forced_cut(self, window: str) -> int:
        """Cut a run without end: behind its last clause, else between two words, else through an endless word."""
        run = window[:LONGEST]
        clause = max((m.end() for m in re.finditer(r"[,،;؛:—–]\s", run)), default=0)
        word = max((m.end() for m in re.finditer(r"\s", run)), default=0)
        cut = clause if clause > LONGEST // 3 else word
        if cut == 0:
            space = re.search(r"\s", window)
            self._in_endless_word = space is None
            cut = space.end() if space else len(window)
        return cut


def speakable(text: str) -> str:
    """Return what is to be spoken of a whole reply."""
    cutter = ReplyCutter()
    return " ".join(cutter.feed(text) + cutter.flush())


def _in_brackets(text: str) -> bool:
    depth = 0
    for bracket in BRACKET.finditer(text):
        depth = depth + 1 if bracket["opening"] else max(0, depth - 1)
    return depth > 0


def _is_abbreviated(before: str, following: str) -> bool:
    """Tell whether a full stop after this text, with this character next, belongs to its last word."""
    word = re.split(r"[\s(\[{\"'“«*_]", before)[-1]
    if word.lower() in TIMES_OF_DAY:
        return False
    if word.isdigit():
        return word == before.strip()  # the number of a list's item
    return bool(
        (len(word) == 1 and word.isalpha())
        or TITLES.fullmatch(word.lower())
        or (following.isdigit() and BEFORE_NUMBERS.fullmatch(word.lower()))
        or ABBREVIATION.fullmatch(word)
    )
