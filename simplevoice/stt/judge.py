"""Was anything said, and was it understood? Decided from the recognizer's own doubt, never from the words alone.

Given silence or noise, Whisper invents: single words, sentences of its training data, subtitle credits, the same few
words for ever. Voice activity detection keeps most of that away from it; this is for what gets through.
"""

import re
import unicodedata
from typing import Literal

from simplevoice.stt import Transcript

Verdict = Literal["ok", "no_speech", "unclear"]

SILENCE, DOUBT = 0.5, 1.2
"""Nobody spoke where the no-speech probability is above the first, and with the log probability taken off it, above the
second: Whisper base gives more for silence, tones and noises, and less for speech in any quality."""

GUESSED = -1.2
"""Below this average log probability the words are made up or misheard. Noise gives less, words that are right more."""

CREDIT_SILENCE = 0.2
CREDIT_SURE = -0.3
"""Weaker doubt is enough for what is known to be invented."""

CREDITS = re.compile(
    r"ترجم[ةه] نانسي|نانسي قنقر|اشترك\w* في القناة|شكرا على المشاهدة|الى اللقاء في الحلقة"
    r"|thanks?(?: you)?(?: so much| very much)? for watching|see you in the next video|subtitles? by|amara org"
    r"|like and subscribe|subscribe to (?:my|the|our) channel"
)
"""Ends of videos, as Whisper was trained on them; matched against ``words`` joined by spaces."""

LOOP_TIMES, SENTENCE_LOOP_TIMES = 6, 3
"""Times in a row that no person says some words, and three words or more."""

SENTENCE_WORDS, LONGEST_REPEATED = 3, 40

STUTTER = re.compile(r"(\S{1,4}?)\1{9}")
"""A letter or syllable ten times in a row, inside a word."""


def verdict(transcript: Transcript) -> Verdict:
    """Judge what was heard in an utterance. What the recognizer doesn't tell speaks for the speaker."""
    said = words(transcript.text)
    silence = transcript.no_speech_probability or 0.0
    sureness = transcript.average_log_probability or 0.0
    if not said or (silence > SILENCE and silence - sureness > DOUBT):
        return "no_speech"
    if CREDITS.search(" ".join(said)) and (silence > CREDIT_SILENCE or sureness < CREDIT_SURE):
        return "no_speech"
    if is_loop(transcript.text):
        return "no_speech" if silence > SILENCE else "unclear"
    return "unclear" if sureness < GUESSED else "ok"


def is_loop(text: str) -> bool:
    """Tell whether a text says the same again and again, as no person does and a lost decoder does.

    Whisper's own sign, the compression ratio, takes a minute of plain speech for a loop too.
    """
    said = words(text)
    return (
        STUTTER.search(text) is not None
        or _times_in_a_row(said, 1) >= LOOP_TIMES
        or _times_in_a_row(said, SENTENCE_WORDS) >= SENTENCE_LOOP_TIMES
    )


def ends_twice(text: str) -> bool:
    """Tell whether a text ends by saying some words again, as a decoder does that missed the end of the speech."""
    said = words(text)
    return any(said[-n:] == said[-2 * n : -n] for n in range(1, len(said) // 2 + 1))


def words(text: str) -> list[str]:
    """Split into words without case, punctuation, Arabic vowel signs and forms of alef."""
    plain = re.sub("[أإآٱ]", "ا", unicodedata.normalize("NFC", text).casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c) and c not in "'’ـ"))


def _times_in_a_row(said: list[str], shortest: int) -> int:
    """Count how often, at most, the same words come in a row, in sequences of some words or more."""
    most = 1
    for length in range(shortest, min(LONGEST_REPEATED, len(said) // 2) + 1):
        run = 0  # words in a row that equal those `length` before them
        for before, word in zip(said, said[length:], strict=False):
            run = run + 1 if before == word else 0
            most = max(most, 1 + run // length)
    return most
