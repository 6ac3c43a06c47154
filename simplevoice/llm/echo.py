"""Repeats what was heard, for where no language model is: the rest of the conversation can still be tried."""

from collections.abc import AsyncGenerator, Sequence

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk
from simplevoice.types import LANGUAGES, Language

REPLIES: dict[Language, str] = {
    "en": "You said: {heard} To get an answer, set a language model in the settings, by its base URL.",
    "ar": "قلتَ: {heard} للحصول على جواب، حدّد نموذجًا لغويًا في الإعدادات، بعنوان خادمه.",
}
ENDS_OF_SENTENCES = (".", "!", "?", "…", "؟", "۔")


class EchoModel(LanguageModel):
    """Says back what it heard, and how to set a language model."""

    name = "echo"

    def __init__(self, config: LlmConfig, models: ModelsConfig) -> None:
        self._state: EngineState = "stopped"

    @property
    def languages(self) -> frozenset[Language]:
        """All: it understands none."""
        return frozenset(LANGUAGES)

    async def load(self) -> None:
        """Be ready."""
        self._state = "ready"

    async def close(self) -> None:
        """Be ready no more."""
        self._state = "stopped"

    def health(self) -> EngineHealth:
        """Tell whether it is loaded."""
        return EngineHealth(self.name, self._state)

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Repeat the last message, a word at a time."""
        heard = messages[-1].content.strip()
        if not heard.endswith(ENDS_OF_SENTENCES):
            heard += "."
        for word in REPLIES[language].format(heard=heard).split():
            yield TextChunk(f"{word} ", self.name)
