"""What needs no service. How the speaker and the service get along stands in tests/integration/test_edge.py."""

from typing import Any

import pytest

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.errors import ErrorCode, SpeechError
from simplevoice.tts import Voice
from simplevoice.tts.edge import EdgeSpeaker


def edge(**config: Any) -> EdgeSpeaker:
    return EdgeSpeaker(TtsConfig(**config), VoicesConfig(ar_male="ar-EG-ShakirNeural"), ModelsConfig())


async def test_the_voice_is_the_configured_one_of_language_and_type() -> None:
    names = {(row.language, row.voice_type): row.name for row in await edge().voices()}
    assert names == {
        ("ar", "female"): "ar-SA-ZariyahNeural",
        ("ar", "male"): "ar-EG-ShakirNeural",
        ("en", "female"): "en-US-JennyNeural",
        ("en", "male"): "en-US-GuyNeural",
    }


async def test_it_is_ready_between_load_and_close() -> None:
    speaker = edge()
    states = [speaker.health().state]
    await speaker.load()
    states.append(speaker.health().state)
    await speaker.close()
    states.append(speaker.health().state)
    assert states == ["stopped", "ready", "stopped"]
    assert speaker.supports(Voice("ar", "female"))


async def test_a_rate_that_cannot_be_is_the_clients_doing() -> None:
    with pytest.raises(SpeechError, match="Invalid rate") as failed:
        await anext(edge().synthesize("hello", Voice("en", "female", rate="fast")))
    assert failed.value.code is ErrorCode.INVALID_PARAMETER


async def test_what_has_nothing_to_pronounce_is_not_sent() -> None:
    with pytest.raises(SpeechError, match="nothing to pronounce"):
        await anext(edge().synthesize("؟", Voice("ar", "female")))
