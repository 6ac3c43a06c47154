"""The language model: the abstract engine, and how one is made by its name."""

from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from importlib import import_module
from typing import Literal, NamedTuple

import msgspec

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engines.engine import Engine
from simplevoice.types import Language

ENGINES = {
    "openai": "simplevoice.llm.openai:OpenAIModel",
    "llama": "simplevoice.llm.llama:LlamaModel",
    "echo": "simplevoice.llm.echo:EchoModel",
}


class ChatMessage(msgspec.Struct, frozen=True):
    """One message of a conversation, as chat models take them."""

    role: Literal["system", "user", "assistant"]
    content: str


class TextChunk(NamedTuple):
    """A piece of a reply, and who wrote it."""

    text: str
    engine: str


class LanguageModel(Engine):
    """A chat model that streams."""

    @property
    @abstractmethod
    def languages(self) -> frozenset[Language]:
        """The languages that the model answers in sensibly."""

    def engine_for(self, language: Language) -> str:
        """Name the engine that is asked first in a language."""
        return self.name

    @abstractmethod
    def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Stream the reply to the last message, as it is made. Raises ReplyError.

        ``messages`` begins with the system prompt. Closing the iterator ends the request at once.
        """


def create(config: LlmConfig, models: ModelsConfig) -> LanguageModel:
    """Make what the configuration answers with, unloaded: the engine that was chosen, and echo beside it."""
    chosen: LanguageModel = import_module("simplevoice.llm.choice").ChosenModel(config, models)
    return chosen


def create_engine(name: str, config: LlmConfig, models: ModelsConfig) -> LanguageModel:
    """Make an engine, unloaded. Only its own file, and so its own libraries, are imported."""
    module, _, cls = ENGINES[name].partition(":")
    engine: LanguageModel = getattr(import_module(module), cls)(config, models)
    return engine
