"""What answers: the engine that the settings ask for or suggest, with its fallbacks; echo in the languages of none.

Echo is no fallback. It stands in where nobody was set up to answer, never where somebody fails.
"""

from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor

import msgspec
import structlog

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engines.engine import EngineHealth
from simplevoice.errors import ModelError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk, create_engine
from simplevoice.llm.echo import EchoModel
from simplevoice.llm.policy import ReplyPolicy
from simplevoice.types import LANGUAGES, Language

log = structlog.get_logger(__name__)


class ChosenModel(LanguageModel):
    """Routes by language. ``health().detail`` says what was chosen and why."""

    def __init__(self, config: LlmConfig, models: ModelsConfig) -> None:
        self._config = config
        self._echo = EchoModel(config, models)
        self.name, self._reason = _choose(config)
        # What the system prompt says is the conversation's, whoever answers.
        fallbacks = [msgspec.structs.replace(one, instructions=config.instructions) for one in config.fallbacks]
        engines = [create_engine(_choose(one)[0], one, models) for one in (config, *fallbacks)]
        self._chosen = ReplyPolicy(engines, config.breaker_failures, config.breaker_retry_seconds)
        self._model: LanguageModel = self._chosen

    @property
    def languages(self) -> frozenset[Language]:
        """All, thanks to echo."""
        return frozenset(LANGUAGES)

    async def load(self) -> None:
        """Load what was chosen; left to itself, make do with echo where no weights can be had."""
        await self._echo.load()
        self._model = self._chosen
        try:
            await self._chosen.load()
        except ModelError as error:
            if self._config.engine != "auto":
                raise
            self._model = self._echo
            log.warning("no_language_model", problem=str(error))
        health = self.health()
        log.info("language_model_chosen", engine=health.engine, model=health.model, why=health.detail)

    async def warm_up(self) -> None:
        """Warm up what was chosen."""
        await self._model.warm_up()

    async def release(self) -> None:
        """Let what was chosen give back what conversations held."""
        await self._model.release()

    async def close(self) -> None:
        """Unload both."""
        await self._chosen.close()
        await self._echo.close()

    @property
    def workers(self) -> Sequence[Executor]:
        """Those of what was chosen."""
        return self._model.workers

    def health(self) -> EngineHealth:
        """Tell the health of what was chosen, and why it was; degraded when nothing but echo can answer."""
        health = self._model.health()
        if self._model is not self._chosen:
            detail = f"{self._reason}; {self._chosen.health().detail}"
            return EngineHealth(health.engine, "degraded", detail=detail)
        reasons = [self._reason, health.detail]
        if unspoken := sorted(self.languages - self._model.languages):
            reasons.append(f"it does not speak {', '.join(unspoken)}: echo does")
        return msgspec.structs.replace(health, detail="; ".join(reason for reason in reasons if reason))

    def engine_for(self, language: Language) -> str:
        """Name what was chosen, or echo."""
        return self._speaker_of(language).engine_for(language)

    def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Stream the reply of the engine that speaks the language."""
        return self._speaker_of(language).reply(messages, language)

    def _speaker_of(self, language: Language) -> LanguageModel:
        return self._model if language in self._model.languages else self._echo


def _choose(config: LlmConfig) -> tuple[str, str]:
    """Return the name of an engine and the reason for it."""
    if config.engine != "auto":
        return config.engine, "llm.engine asks for it"
    if config.base_url:
        return "openai", "llm.base_url is set"
    if config.api_key:
        return "openai", "llm.api_key is set"
    return "llama", "neither llm.base_url nor llm.api_key is set"
