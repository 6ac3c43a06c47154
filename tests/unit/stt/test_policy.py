import pytest

from simplevoice.config import ModelsConfig, SttConfig
from simplevoice.errors import TranscriptionError
from simplevoice.stt.policy import TranscriptionPolicy, create_policy
from tests.fakes.engines import FakeTranscriber
from tests.media import tone


async def test_the_fallback_hears_when_the_first_recognizer_is_down() -> None:
    first, second = FakeTranscriber("one"), FakeTranscriber("two")
    policy = TranscriptionPolicy([first, second], failures=1, retry_seconds=3600)
    await policy.load()
    assert (await policy.transcribe(tone(500), "en")).text == "one"
    first.error = TranscriptionError("down")
    for _ in range(2):
        assert (await policy.transcribe(tone(500), "en")).text == "two"
    assert len(first.received) == 2
    second.name = "second"
    assert (await policy.transcribe(tone(500), "en")).engine == "second", "it is told who heard"
    second.error = TranscriptionError("down too")
    with pytest.raises(TranscriptionError):
        await policy.transcribe(tone(500), "en")
    first.error = None
    assert (await policy.transcribe(tone(500), "en")).text == "one", "as soon as one of them works"
    await policy.close()


async def test_a_probe_is_a_second_of_silence() -> None:
    recognizer = FakeTranscriber()
    await TranscriptionPolicy([recognizer], 1, 1)._try(recognizer)
    [heard] = recognizer.received
    assert (len(heard), heard.max, heard.frame_rate) == (1000, 0, 16_000)


def test_the_configuration_names_the_engines() -> None:
    fallback = SttConfig(engine="openai", base_url="http://127.0.0.1:1/v1", model="large")
    health = create_policy(SttConfig(fallbacks=(fallback,)), ModelsConfig()).health()
    assert (health.engine, health.model) == ("whisper", "base")
    assert [(one.engine, one.model) for one in health.fallbacks] == [("openai", "large")]
