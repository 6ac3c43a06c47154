"""Which language model answers: the chosen one, or in its place the first of its fallbacks that works.

Who gave the first text of a reply goes on to its end. What has been heard can't be taken back, and another model would
not go on with the same thought.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from simplevoice.engines.failover import Failover
from simplevoice.errors import ReplyError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk
from simplevoice.types import Language

PROBE = (ChatMessage("system", "Be brief."), ChatMessage("user", "Hello."))
"""What shows whether a model answers; of its reply only the beginning is read."""


class ReplyPolicy(Failover[LanguageModel], LanguageModel):
    """The language models behind one."""

    @property
    def languages(self) -> frozenset[Language]:
        """Those that any of them speaks."""
        return frozenset[Language]().union(*(engine.languages for engine, _ in self._members))

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        """Stream the reply of the first model that speaks the language and works. Raises the last one's ReplyError."""

        async def begin(engine: LanguageModel) -> tuple[AsyncGenerator[TextChunk], TextChunk]:
            stream = engine.reply(messages, language)
            return stream, await _first(stream)

        member, (stream, first) = await self._ask(begin, language)
        async with aclosing(stream):
            yield first
            try:
                async for chunk in stream:
                    yield chunk
            except ReplyError as error:
                self._note_failure(member, error)
                raise
        member.guard.succeed()

    def _speaks(self, engine: LanguageModel, language: Language) -> bool:
        return language in engine.languages

    async def _try(self, engine: LanguageModel) -> None:
        async with aclosing(engine.reply(PROBE, "en")) as stream:
            await _first(stream)


async def _first(stream: AsyncGenerator[TextChunk]) -> TextChunk:
    """Wait for the first text; a stream that gives none is closed. Raises ReplyError."""
    try:
        async for chunk in stream:
            return chunk
        raise ReplyError("the model gave no text")
    except BaseException:
        await stream.aclose()
        raise
