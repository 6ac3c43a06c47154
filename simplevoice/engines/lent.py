"""What turns work with. To name it brings no library of sound: the daemon does while it still imports them."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from simplevoice.llm import LanguageModel
from simplevoice.stt import Transcriber
from simplevoice.tts import Speaker

if TYPE_CHECKING:
    from simplevoice.speech.smart_turn import SmartTurnModel
    from simplevoice.speech.vad import VoiceActivityModel


class Ears(NamedTuple):
    """The small models that listen before the recognizer does."""

    voice_activity: "VoiceActivityModel"
    smart_turn: "SmartTurnModel | None"


class Engines(msgspec.Struct, frozen=True):
    """What a turn works with, shared by all turns."""

    transcriber: Transcriber
    model: LanguageModel
    speaker: Speaker
    voice_activity: "VoiceActivityModel"
    smart_turn: "SmartTurnModel | None" = None
    instructions: str | None = None
    """The operator's system prompt, which belongs to the model."""


class Lender(Protocol):
    """Who has the engines, and may replace them: a turn works to its end with those that it was lent."""

    @property
    def engines(self) -> Engines:
        """What the next turn gets."""

    def lend(self) -> AbstractContextManager[Engines]:
        """Lend the engines for one turn."""
