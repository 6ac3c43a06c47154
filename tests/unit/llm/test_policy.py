from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from simplevoice.errors import ReplyError
from simplevoice.llm import ChatMessage, TextChunk
from simplevoice.llm.policy import PROBE, ReplyPolicy
from simplevoice.types import LANGUAGES, Language
from tests.fakes.engines import FakeModel

MESSAGES = [ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")]


class ScriptedModel(FakeModel):
    """Gives its pieces, and fails where one of them is an error. ``open`` counts the replies that have not ended."""

    def __init__(self, *script: str | ReplyError, languages: Sequence[Language] = LANGUAGES) -> None:
        super().__init__()
        self.script = script
        self.languages = frozenset(languages)
        self.open = 0

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        self.received.append(list(messages))
        self.open += 1
        try:
            for piece in self.script:
                if isinstance(piece, ReplyError):
                    raise piece
                yield TextChunk(piece, self.name)
        finally:
            self.open -= 1


async def make(*models: ScriptedModel, failures: int = 2) -> ReplyPolicy:
    policy = ReplyPolicy(models, failures, retry_seconds=3600)
    await policy.load()
    return policy


async def answer(policy: ReplyPolicy, language: Language = "en") -> list[str]:
    return [chunk.text async for chunk in policy.reply(MESSAGES, language)]


async def test_the_fallback_answers_when_the_first_model_fails_before_its_first_text() -> None:
    first, second = ScriptedModel(ReplyError("down")), ScriptedModel("Two", ".")
    policy = await make(first, second)
    for _ in range(3):
        assert await answer(policy) == ["Two", "."]
    assert len(first.received) == 2
    assert policy.health().active == "fake"
    assert first.open == second.open == 0
    await policy.close()


async def test_nobody_else_goes_on_with_a_reply_that_has_begun() -> None:
    first, second = ScriptedModel("One, ", ReplyError("broke off", retry_in=0.0)), ScriptedModel("Two.")
    policy = await make(first, second, failures=1)
    reply = policy.reply(MESSAGES, "en")
    assert (await anext(reply)).text == "One, "
    with pytest.raises(ReplyError, match="broke off"):
        await anext(reply)
    assert second.received == []
    assert policy.health().breaker == "open", "it is a failure all the same"
    assert await answer(policy) == ["Two."]
    await policy.close()


async def test_a_failure_before_the_first_text_is_tried_once_more() -> None:
    model = ScriptedModel(ReplyError("reset", retry_in=0.0))
    policy = await make(model)
    with pytest.raises(ReplyError, match="reset"):
        await answer(policy)
    assert len(model.received) == 2
    await policy.close()


async def test_a_reply_without_text_is_a_failure() -> None:
    policy = await make(ScriptedModel(), ScriptedModel("Two."))
    assert await answer(policy) == ["Two."]
    await policy.close()


async def test_only_who_speaks_the_language_is_asked() -> None:
    english, arabic = ScriptedModel("Hi.", languages=("en",)), ScriptedModel("مرحبا.", languages=("ar",))
    policy = await make(english, arabic)
    assert policy.languages == {"ar", "en"}
    assert await answer(policy, "ar") == ["مرحبا."]
    arabic.script = (ReplyError("down"),)
    with pytest.raises(ReplyError, match="down"):
        await answer(policy, "ar")
    assert english.received == []
    await policy.close()


async def test_a_reply_that_is_closed_early_is_neither_good_nor_bad() -> None:
    model = ScriptedModel("One, ", "two.")
    policy = await make(model, failures=1)
    async with aclosing(policy.reply(MESSAGES, "en")) as reply:
        assert (await anext(reply)).text == "One, "
    assert model.open == 0
    assert policy.health().breaker == "closed"
    await policy.close()


async def test_of_a_probe_only_the_beginning_is_read() -> None:
    model = ScriptedModel("Hello", " there.")
    policy = await make(model)
    await policy._try(model)
    assert model.received == [list(PROBE)]
    assert model.open == 0
    await policy.close()
