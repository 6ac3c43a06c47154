"""Takes the reasoning of a model out of its streamed reply."""

import re

TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
TAGS = ("<think>", "</think>", "<thinking>", "</thinking>")


class ThoughtFilter:
    """Drops what stands between ``<think>`` and ``</think>``, wherever the stream is cut.

    A thought that is never closed goes to the end of the reply. Some servers leave the opening tag out; then all
    text before the closing one was a thought.
    """

    def __init__(self) -> None:
        self._thinking = False
        self._held = ""

    def feed(self, piece: str) -> tuple[str, bool]:
        """Return the text of the reply, and whether what came before it turned out to be a thought."""
        text = self._held + piece
        spoken: list[str] = []
        retract = False
        position = 0
        for tag in TAG.finditer(text):
            if not self._thinking:
                spoken.append(text[position : tag.start()])
            closing = bool(tag[1])
            if closing and not self._thinking:
                spoken.clear()
                retract = True
            self._thinking = not closing
            position = tag.end()
        end = _start_of_partial_tag(text, position)
        self._held = text[end:]
        if not self._thinking:
            spoken.append(text[position:end])
        return "".join(spoken), retract

    def flush(self) -> str:
        """Return what was held back because it might have become a tag."""
        held, self._held = self._held, ""
        return "" if self._thinking else held


def _start_of_partial_tag(text: str, position: int) -> int:
    """Find where a tag that the stream has cut may begin; the end of the text when none does."""
    start = text.rfind("<", position)
    if start >= 0 and any(tag.startswith(text[start:].lower()) for tag in TAGS):
        return start
    return len(text)
