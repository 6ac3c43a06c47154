"""Takes out of a line of text what is for the eye: markdown, HTML, addresses, emoji."""

import re

FENCE = re.compile(r"^\s*(?:```|~~~)[\w+#.-]*\s*$")
REFERENCE = re.compile(r"^\s*\[[^\]]+\]:\s*\S+.*$")
LINK = re.compile(r"!?\[([^\[\]]*)\](?:\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])")
FOOTNOTE = re.compile(r"\[\^?\d+\]")
TAG = re.compile(r"<(?:/?[A-Za-z][^<>]*|\|[^<>|]*\||!--.*?--)>")
URL = re.compile(
    r"""(?:[A-Za-z][A-Za-z0-9+.-]*://|\bwww\.|\b(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?=/))
        (?:\([^\s()<>]*\)|[^\s()<>\[\]"“”«»،؛؟])*""",
    re.VERBOSE,
)
URL_END = ".,;:!?…'*_~`"
"""Marks at the end of an address that belong to the sentence around it."""

# The blocks of Unicode that hold emoji, pictographs and arrows; emoji-data.txt of Unicode 16 lists no other ones
# but those in OTHER_EMOJI, which are text unless the emoji variation selector follows.
PICTOGRAPH = "[\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u27f0-\u27ff\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]"
OTHER_EMOJI = "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u24c2\u3030\u303d\u3297\u3299]\ufe0f"
KEYCAP = "[0-9#*]\ufe0f?\u20e3"
EMOJI = re.compile(
    f"(?:{KEYCAP}|{OTHER_EMOJI}|{PICTOGRAPH})(?:{PICTOGRAPH}|[\u200d\ufe0e\ufe0f\u2640\u2642]|[\U000e0020-\U000e007f])*"
)
EMOTICON = re.compile(r"(?<!\S)[:;=][-o^]?[()DPp/|](?!\S)")
# Controls, zero-width and direction marks, lone parts of emoji and of characters; not the zero-width non-joiner: Arabic
# script uses it.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2069\u20e3"
    "\ud800-\udfff\ufe0e\ufe0f\ufeff\ufff9-\uffff]"
)

LINE_START = re.compile(r"^\s*(?:>\s*)*(?:#{1,6}\s+|[-*+•–—]\s+(?:\[[ xX]\]\s+)?)*")
HEADING_END = re.compile(r"\s#+\s*$")
CELLS = re.compile(r"(?:\s*\|)+\s*")
ESCAPE = re.compile(r"\\([^\w\s])")
# A star between numbers multiplies; any other one marks emphasis, as underscores do at the edge of a word.
EMPHASIS = re.compile(r"(?<![\d\s])\*+|\*+(?![\d\s])|(?<![^\W_])_+|_+(?![^\W_])|~~+|`+")
EMPTY_BRACKETS = re.compile(r"\(\s*\)|\{\s*\}|[\[\]]")
SPACE_BEFORE_MARK = re.compile(r"\s+([.,;:!?…،؛؟۔]+)(?=\s|$)")
ARABIC = re.compile("[\u0600-\u06ff]")

LONGEST_WORD = 100
"""Characters. What is longer is no word: a key, a checksum, encoded data."""


def speakable_line(line: str) -> str:
    """Return what is to be spoken of one line, or part of one; empty when no letter or digit is left."""
    if FENCE.match(line) or REFERENCE.match(line):
        return ""
    text = FOOTNOTE.sub("", LINK.sub(r"\1", line))
    text = URL.sub(_end_of_url, TAG.sub(" ", text))
    text = EMOTICON.sub(" ", EMOJI.sub(" ", text))
    text = INVISIBLE.sub("", text)
    text = HEADING_END.sub("", LINE_START.sub("", text))
    if "|" in text:
        comma = "، " if ARABIC.search(text) else ", "
        text = CELLS.sub(comma, text.strip(" \t\r\n|"))
    text = EMPHASIS.sub("", ESCAPE.sub(r"\1", text))
    text = EMPTY_BRACKETS.sub("", text)
    text = " ".join(word for word in text.split() if len(word) <= LONGEST_WORD)
    text = SPACE_BEFORE_MARK.sub(r"\1", text)
    return text if any(character.isalnum() for character in text) else ""


def _end_of_url(url: re.Match[str]) -> str:
    return url[0][len(url[0].rstrip(URL_END)) :]
