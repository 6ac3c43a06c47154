"""Is the turn over? What the words and the sound of a tentative end tell, and how much each is worth.

Neither is enough alone. Smart Turn calls many a pause between clauses finished, and now and then an end unfinished.
Whisper closes nearly everything with a period, so a period says nothing; but it doesn't write a question mark, a
comma, an ellipsis or a last "and" without a reason. Hence:

- words that are seldom the last ones, a condition without its consequence, or a number that is being dictated:
  unfinished, whatever it sounds like;
- a question, unless it sounds unfinished: finished;
- whatever else sounds finished: unknown, since people pause after a sentence and then say another;
- whatever else sounds unfinished: hesitant.
"""

import re

from simplevoice.speech.endpointing import Verdict
from simplevoice.types import Language

SOUNDS_FINISHED = 0.5
"""The boundary for which Smart Turn was trained."""


def _plain(text: str) -> str:
    """Fold case, apostrophes, and what Arabic writers and recognizers write one way or the other."""
    text = re.sub("[\u064b-\u0652\u0640]", "", text.casefold())  # short vowels and the stretching line
    return text.translate(str.maketrans("أإآة’", "اااه'"))


def _words(*lines: str) -> frozenset[str]:
    return frozenset(_plain(" ".join(lines)).split())


# Words after which a sentence goes on. What often ends one too stays out: "that", "so", "her", "on"; "بعد", "هذا".
_OPEN: dict[Language, frozenset[str]] = {
    "en": _words(
        "a an the and or but because since although though unless until while whereas whether if as than",
        "my your our their its every very into onto upon during between among without towards",
        "i'm you're we're they're i've you've we've i'd you'd we'd i'll you'll we'll um uh uhm erm er hmm hm mm",
    ),
    "ar": _words(
        "و ف ل ب لكن ولكن أو أم ثم يعني لأن ولأن لأنه لأنني كي لكي حتى إذا لو عندما بينما الذي التي الذين",
        "في من إلى عن مع بين منذ مثل عند لدى نحو هل أن إن وأن كل أي يا امم ممم اه",
    ),
}
_OPEN_PHRASE = re.compile(
    r"\b(?:(?:tell|give|show|let|read|send|bring|remind) me|you know|i mean|(?:sort|kind) of|such as)$"
)

# An English preposition ends a question or a relative clause ("what are you looking for") and little else.
_PREPOSITIONS = _words("of to for from with at in")
_RELATIVE = _words("what who whom whose which where that how")

# A clause that begins so needs another one, which a comma would set off.
_CONDITION = _words("if unless although whenever إذا لو عندما كلما")

_TOKEN = re.compile(r"\d+(?:[:.,/]\d+)*|[\w']+")
_OPEN_MARK = re.compile(r"(?:[,،؛;:–—-]|…|\.\.)$")
_QUESTION_MARK = re.compile(r"[?؟]$")
_CLOSING_QUOTES = "\"'”’»)] "

_DIGIT = re.compile(
    r"\d+|zero|oh|one|two|three|four|five|six|seven|eight|nine"
    r"|صفر|واحده?|ا?[ثت]ن(?:ان|ين)|[ثت]لا[ثت]ه?|اربعه?|خمسه?|سته?|سبعه?|[ثت]مان(?:يه?)?|تسعه?"
)
_NUMBER_NOUN = _words("number phone code pin address رقم رقمي الرقم هاتفي رمز الرمز عنواني")


_BUT_SOUNDS_UNFINISHED = {
    Verdict.FINISHED: Verdict.UNKNOWN,
    Verdict.UNKNOWN: Verdict.HESITANT,
    Verdict.UNFINISHED: Verdict.UNFINISHED,
}


def judge(text: str | None, probability: float | None, language: Language) -> Verdict:
    """Weigh the transcript of the turn so far and Smart Turn's probability; None is what isn't known."""
    words = weigh_words(text, language) if text else Verdict.UNKNOWN
    if probability is None or probability >= SOUNDS_FINISHED:
        return words
    return _BUT_SOUNDS_UNFINISHED[words]


def weigh_words(text: str, language: Language) -> Verdict:
    """Tell what the words alone say: FINISHED for a question, UNKNOWN for a plain statement, or UNFINISHED."""
    text = _plain(text).rstrip(_CLOSING_QUOTES)
    tokens = _TOKEN.findall(text)
    if not tokens:
        return Verdict.UNKNOWN
    question = _QUESTION_MARK.search(text) is not None
    if _OPEN_MARK.search(text) or tokens[-1] in _OPEN[language] or _OPEN_PHRASE.search(" ".join(tokens)):
        return Verdict.UNFINISHED
    if tokens[-1] in _PREPOSITIONS:
        return Verdict.UNKNOWN if question or _RELATIVE.intersection(tokens) else Verdict.UNFINISHED
    if question:
        return Verdict.FINISHED
    condition = tokens[0] in _CONDITION and not re.search("[,،]", text)
    return Verdict.UNFINISHED if condition or _is_dictating(tokens) else Verdict.UNKNOWN


def _is_dictating(tokens: list[str]) -> bool:
    """Tell whether the last words are digits or groups of them, more than one, or one after the word for a number."""
    digits = 0
    for token in reversed(tokens):
        if not _DIGIT.fullmatch(token):
            break
        digits += 1
    return digits > 1 or (digits == 1 and tokens[-1].isdigit() and not _NUMBER_NOUN.isdisjoint(tokens))
