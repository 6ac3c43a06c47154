from collections.abc import AsyncGenerator, Sequence

import pytest

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.engines.engine import EngineHealth, EngineState
from simplevoice.errors import ReplyError, WeightsUnavailableError
from simplevoice.llm import ChatMessage, LanguageModel, TextChunk, choice, create
from simplevoice.llm.choice import ChosenModel
from simplevoice.types import Language

MESSAGES = [ChatMessage("system", "Be brief."), ChatMessage("user", "Hello")]


class FakeModel(LanguageModel):
    """Speaks English only, and records what is asked of it."""

    name = "fake"

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.state: EngineState = "stopped"
        self.calls: list[str] = []

    @property
    def languages(self) -> frozenset[Language]:
        return frozenset({"en"})

    async def load(self) -> None:
        if self.failure:
            self.state = "failed"
            raise self.failure
        self.state = "ready"

    async def warm_up(self) -> None:
        self.calls.append("warm_up")

    async def release(self) -> None:
        self.calls.append("release")

    async def close(self) -> None:
        self.state = "stopped"

    def health(self) -> EngineHealth:
        return EngineHealth(self.name, self.state, "tiny", "cpu", "no better one")

    async def reply(self, messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        yield TextChunk("Hi.", self.name)


def choose(monkeypatch: pytest.MonkeyPatch, config: LlmConfig, fake: FakeModel) -> tuple[ChosenModel, list[str]]:
    asked: list[str] = []

    def create_engine(name: str, config: LlmConfig, models: ModelsConfig) -> LanguageModel:
        asked.append(name)
        return fake

    monkeypatch.setattr(choice, "create_engine", create_engine)
    model = create(config, ModelsConfig())
    assert isinstance(model, ChosenModel)
    return model, asked


@pytest.mark.parametrize(
    ("config", "engine", "reason"),
    [
        (LlmConfig(base_url="http://127.0.0.1:1/v1"), "openai", "llm.base_url is set"),
        (LlmConfig(api_key="secret"), "openai", "llm.api_key is set"),
        (LlmConfig(), "llama", "neither llm.base_url nor llm.api_key is set"),
        (LlmConfig(engine="llama", base_url="http://127.0.0.1:1/v1"), "llama", "llm.engine asks for it"),
        (LlmConfig(engine="echo"), "echo", "llm.engine asks for it"),
    ],
)
async def test_the_settings_choose_the_engine_and_the_health_says_why(
    monkeypatch: pytest.MonkeyPatch, config: LlmConfig, engine: str, reason: str
) -> None:
    model, asked = choose(monkeypatch, config, FakeModel())
    assert asked == [engine]
    await model.load()
    health = model.health()
    assert (health.engine, health.model, health.device, health.state) == ("fake", "tiny", "cpu", "ready")
    assert health.detail == f"{reason}; no better one; it does not speak ar: echo does"


async def test_echo_answers_in_the_languages_that_the_model_does_not_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = choose(monkeypatch, LlmConfig(), FakeModel())
    await model.load()
    assert model.languages == {"ar", "en"}
    assert [chunk.text async for chunk in model.reply(MESSAGES, "en")] == ["Hi."]
    assert "قلتَ: Hello." in "".join([chunk.text async for chunk in model.reply(MESSAGES, "ar")])


async def test_echo_answers_where_no_weights_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeModel(WeightsUnavailableError("no network"))
    model, _ = choose(monkeypatch, LlmConfig(), fake)
    await model.load()
    assert "You said: Hello." in "".join([chunk.text async for chunk in model.reply(MESSAGES, "en")])
    health = model.health()
    assert (health.engine, health.state) == ("echo", "degraded")
    assert health.detail
    assert "no better one" in health.detail
    await model.warm_up()
    assert not fake.calls

    fake.failure = None
    await model.close()
    await model.load()
    assert [chunk.text async for chunk in model.reply(MESSAGES, "en")] == ["Hi."]


@pytest.mark.parametrize(
    ("config", "failure"),
    [
        (LlmConfig(engine="llama"), WeightsUnavailableError("no network")),
        (LlmConfig(api_key="secret"), ReplyError("no model")),
    ],
)
async def test_what_the_operator_asked_for_has_no_substitute(
    monkeypatch: pytest.MonkeyPatch, config: LlmConfig, failure: Exception
) -> None:
    model, _ = choose(monkeypatch, config, FakeModel(failure))
    with pytest.raises(type(failure)):
        await model.load()
    assert model.health().state == "failed"


async def test_the_chosen_engine_is_warmed_up_released_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeModel()
    model, _ = choose(monkeypatch, LlmConfig(), fake)
    await model.load()
    await model.warm_up()
    await model.release()
    assert fake.calls == ["warm_up", "release"]
    await model.close()
    assert (fake.state, model.health().state) == ("stopped", "stopped")


async def test_it_names_who_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = choose(monkeypatch, LlmConfig(), FakeModel())
    await model.load()
    assert (model.name, model.engine_for("en"), model.engine_for("ar")) == ("llama", "fake", "echo")


async def test_fallbacks_answer_before_echo_does(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, LlmConfig]] = []
    fakes = [FakeModel(WeightsUnavailableError("no network")), FakeModel()]

    def create_engine(name: str, config: LlmConfig, models: ModelsConfig) -> LanguageModel:
        made.append((name, config))
        return fakes[len(made) - 1]

    monkeypatch.setattr(choice, "create_engine", create_engine)
    fallback = LlmConfig(base_url="http://127.0.0.1:1/v1")
    model = create(LlmConfig(instructions="Be kind.", fallbacks=(fallback,)), ModelsConfig())
    assert [(name, config.instructions) for name, config in made] == [("llama", "Be kind."), ("openai", "Be kind.")]
    await model.load()
    assert [chunk.text async for chunk in model.reply(MESSAGES, "en")] == ["Hi."]
    assert (model.health().state, model.health().active) == ("degraded", "fake")
    await model.close()


async def test_echo_does_not_hide_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeModel()
    model, _ = choose(monkeypatch, LlmConfig(), fake)
    await model.load()

    async def fail(messages: Sequence[ChatMessage], language: Language) -> AsyncGenerator[TextChunk]:
        for error in [ReplyError("down")]:
            raise error
        yield TextChunk("", "fake")

    monkeypatch.setattr(fake, "reply", fail)
    with pytest.raises(ReplyError, match="down"):
        _ = [chunk.text async for chunk in model.reply(MESSAGES, "en")]
    await model.close()
