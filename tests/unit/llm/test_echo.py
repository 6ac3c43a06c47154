import pytest

from simplevoice.config import LlmConfig, ModelsConfig
from simplevoice.llm import ChatMessage
from simplevoice.llm.echo import EchoModel
from simplevoice.types import Language


@pytest.mark.parametrize(
    ("language", "said", "begins", "says"),
    [
        ("en", "good morning", "You said: good morning. ", "language model"),
        ("en", "Really? ", "You said: Really? ", "base URL"),
        ("ar", "ثلاثة خمسة", "قلتَ: ثلاثة خمسة. ", "نموذجًا لغويًا"),
        ("ar", "كيف حالك؟", "قلتَ: كيف حالك؟ ", "الإعدادات"),
        ("en", "{heard} {0}", "You said: {heard} {0}. ", "settings"),
    ],
)
async def test_it_repeats_what_was_heard_and_says_how_to_get_an_answer(
    language: Language, said: str, begins: str, says: str
) -> None:
    echo = EchoModel(LlmConfig(), ModelsConfig())
    messages = [ChatMessage("system", "Be brief."), ChatMessage("user", said)]
    pieces = [chunk.text async for chunk in echo.reply(messages, language)]
    assert len(pieces) > 5
    reply = "".join(pieces)
    assert reply.startswith(begins)
    assert says in reply


async def test_its_state_follows_load_and_close() -> None:
    echo = EchoModel(LlmConfig(), ModelsConfig())
    assert echo.health().state == "stopped"
    await echo.load()
    assert echo.health().state == "ready"
    assert echo.languages == {"ar", "en"}
    await echo.close()
    assert echo.health().state == "stopped"
