"""Was anything said, and was it understood? Decided from the recognizer's own doubt, never from the words alone.

Given silence or noise, Whisper invents: single words, sentences of its training data, subtitle credits, the same few
words for ever. Voice activity detection keeps most of that away from it; this is for what gets through.
"""

import re
import unicodedata
import zlib
from typing import Literal

from simplevoice.stt import Transcript

Verdict = Literal["ok", "no_speech", "unclear"]

SILENCE, DOUBT = 0.5, 1.2
"""Nobody spoke where the no-speech probability is above the first, and with the log probability taken off it, above the
second. Measured with Whisper base: silence, tones and noises give 1.3 to 3.4, speech in any quality at most 1.1."""

GUESSED = -1.2
"""Below this average log probability the words are made up or misheard: noise gives -1.3 to -3, words that are right
at least -1."""

CREDIT_SILENCE = 0.2
CREDIT_SURE = -0.3
"""Weaker doubt is enough for what is known to be invented."""

CREDITS = re.compile(
    r"ترجم[ةه] نانسي|نانسي قنقر|اشترك\w* في القناة|شكرا على المشاهدة|الى اللقاء في الحلقة"
    r"|thanks? (?:you )?for watching|subtitles? by|amara org|like and subscribe|subscribe to (?:my|the|our) channel"
)
"""Ends of videos, as Whisper was trained on them; matched against ``words`` joined by spaces."""

LOOP_COMPRESSION = 2.4
"""Whisper's own threshold of the compression ratio (openai/whisper, transcribe.py)."""

LONGEST_REPEATED = 12
"""Words."""


def verdict(transcript: Transcript) -> Verdict:
    """Judge what was heard in an utterance. What the recognizer doesn't tell speaks for the speaker."""
    said = words(transcript.text)
    silence = transcript.no_speech_probability or 0.0
    sureness = transcript.average_log_probability or 0.0
    if not said or (silence > SILENCE and silence - sureness > DOUBT):
        return "no_speech"
    if CREDITS.search(" ".join(said)) and (silence > CREDIT_SILENCE or sureness < CREDIT_SURE):
        return "no_speech"
    if sureness < GUESSED or is_loop(transcript.text):
        return "unclear"
    return "ok"


def is_loop(text: str) -> bool:
    """Tell whether a text says the same again and again, as no person does and a lost decoder does."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) > LOOP_COMPRESSION or _most_repeats(words(text)) >= 5


def repeats(text: str) -> bool:
    """Tell whether a text says some words twice in a row, as people may and a decoder at its limit does."""
    return is_loop(text) or _most_repeats(words(text)) >= 2


def words(text: str) -> list[str]:
    """Split into words without case, punctuation, Arabic vowel signs and forms of alef."""
    plain = re.sub("[أإآٱ]", "ا", unicodedata.normalize("NFC", text).casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c) and c not in "'’ـ"))


def _most_repeats(said: list[str]) -> int:
    """Count how often, at most, some sequence of words comes in a row; 1 when none is repeated."""
    most = min(len(said), 1)
    for length in range(1, min(LONGEST_REPEATED, len(said) // 2) + 1):
        run = 0  # words in a row that equal those `length` before them
        for before, word in zip(said, said[length:], strict=False):
            run = run + 1 if before == word else 0
            most = max(most, 1 + run // length)
    return most
