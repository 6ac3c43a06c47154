import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from simplevoice.config import ModelsConfig, TtsConfig, VoicesConfig
from simplevoice.engines.breaker import Breaker
from simplevoice.errors import ErrorCode, SpeechBrokenOffError, SpeechError, WeightsUnavailableError
from simplevoice.tts import SpeechChunk, Voice
from simplevoice.tts import policy as policies
from simplevoice.tts.policy import SpeechPolicy, create_policy
from tests.fakes.engines import FakeSpeaker

ARABIC = Voice("ar", "female")
ENGLISH = Voice("en", "male")
AUDIO = b"\x01\x00"
IN_TIME = TtsConfig(first_audio_seconds=30)
SOON = TtsConfig(first_audio_seconds=0.01)


class Clock:
    """Time that passes only while somebody sleeps, and a sleep that ends when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeping = asyncio.Event()
        self.wake = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeping.set()
        await self.wake.wait()
        self.wake.clear()
        self.sleeping.clear()
        self.now += seconds


class WatchedBreaker(Breaker):
    """Tells when it closes."""

    def __init__(self, config: TtsConfig, clock: Clock) -> None:
        super().__init__(config.breaker_failures, config.breaker_retry_seconds, clock)
        self.closed = asyncio.Event()

    def succeed(self) -> None:
        super().succeed()
        self.closed.set()


def never() -> asyncio.Event:
    return asyncio.Event()


@asynccontextmanager
async def policy(
    edge: FakeSpeaker | None,
    *local: FakeSpeaker,
    config: TtsConfig = IN_TIME,
    clock: Clock | None = None,
    breaker: Breaker | None = None,
) -> AsyncIterator[SpeechPolicy]:
    clock = clock or Clock()
    breaker = breaker or WatchedBreaker(config, clock)
    speech = SpeechPolicy(config, edge, local, breaker=breaker, sleep=clock.sleep)
    await speech.load()
    try:
        yield speech
    finally:
        await speech.close()
    assert sum(speaker.running for speaker in (edge, *local) if speaker) == 0


async def speak(speech: SpeechPolicy, text: str = "hello there", voice: Voice = ENGLISH) -> list[SpeechChunk]:
    return [chunk async for chunk in speech.synthesize(text, voice)]


def engines(chunks: list[SpeechChunk]) -> list[str]:
    return [chunk.engine for chunk in chunks]


async def test_edge_expects_a_text_unless_it_is_left_alone() -> None:
    edge, local = FakeSpeaker("edge", SpeechError("no")), FakeSpeaker("espeak")
    async with policy(edge, local, config=TtsConfig(breaker_failures=1)) as speech:
        speech.expect()
        assert edge.expected == 1
        await speak(speech)
        speech.expect()
        assert edge.expected == 1
    async with policy(None, local) as speech:
        speech.expect()
        assert local.expected == 0


async def test_edge_speaks_alone_while_it_is_in_time() -> None:
    edge, local = FakeSpeaker("edge", AUDIO, AUDIO, codec="mp3"), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local) as speech:
        chunks = await speak(speech)
        assert engines(chunks) == ["edge", "edge"]
        assert edge.received == [("hello there", ENGLISH)]
        assert local.received == []
        assert (speech.health().active, speech.health().state) == ("edge", "ready")


async def test_the_local_engine_speaks_at_once_when_edge_fails() -> None:
    edge, local = FakeSpeaker("edge", SpeechError("HTTP 503")), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local) as speech:
        assert engines(await speak(speech)) == ["espeak"]
        assert local.received == edge.received


async def test_the_local_engine_wins_when_edge_is_late_and_edge_is_closed_before_it_is_heard() -> None:
    edge, local = FakeSpeaker("edge", never()), FakeSpeaker("espeak", AUDIO, AUDIO)
    async with policy(edge, local, config=SOON) as speech, aclosing(speech.synthesize("hello", ENGLISH)) as stream:
        assert (await anext(stream)).engine == "espeak"
        assert edge.running == 0


async def test_edge_speaks_when_it_is_late_and_still_first() -> None:
    go = asyncio.Event()
    edge, local = FakeSpeaker("edge", go, AUDIO, AUDIO), FakeSpeaker("espeak", never())
    async with policy(edge, local, config=SOON) as speech:
        speaking = asyncio.create_task(speak(speech))
        await local.asked.wait()
        go.set()
        assert engines(await speaking) == ["edge", "edge"]
        assert local.running == 0


async def test_edge_that_fails_late_leaves_the_word_to_the_slow_local_engine() -> None:
    fail, go = asyncio.Event(), asyncio.Event()
    edge = FakeSpeaker("edge", fail, SpeechError("HTTP 503"))
    local = FakeSpeaker("piper", go, AUDIO)
    async with policy(edge, local, config=SOON) as speech:
        speaking = asyncio.create_task(speak(speech))
        await local.asked.wait()
        fail.set()
        go.set()
        assert engines(await speaking) == ["piper"]


async def test_nobody_can_speak() -> None:
    edge, local = FakeSpeaker("edge", SpeechError("HTTP 503")), FakeSpeaker("espeak", SpeechError("no data"))
    async with policy(edge, local, config=TtsConfig(breaker_failures=1)) as speech:
        with pytest.raises(SpeechError, match="espeak: no data"):
            await speak(speech)
        assert speech.health().breaker == "open"


async def test_the_local_engine_says_the_rest_when_edge_breaks_off() -> None:
    edge = FakeSpeaker("edge", AUDIO, SpeechBrokenOffError("closed", "there, friend"), codec="mp3")
    local = FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local, config=TtsConfig(breaker_failures=1, first_audio_seconds=30)) as speech:
        chunks = await speak(speech, "hello there, friend")
        assert [(chunk.engine, chunk.codec) for chunk in chunks] == [("edge", "mp3"), ("espeak", "pcm16")]
        assert local.received == [("there, friend", ENGLISH)]
        assert speech.health().breaker == "open"


async def test_nothing_is_added_when_edge_breaks_off_behind_the_last_word() -> None:
    edge, local = FakeSpeaker("edge", AUDIO, SpeechBrokenOffError("closed", "")), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local) as speech:
        assert engines(await speak(speech)) == ["edge"]


async def test_an_engine_that_cannot_tell_the_rest_fails_the_sentence() -> None:
    edge, local = FakeSpeaker("edge", AUDIO, SpeechError("closed")), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local) as speech:
        with pytest.raises(SpeechError, match="closed"):
            await speak(speech)
        assert local.received == []


async def test_edge_is_not_asked_after_failures_in_a_row() -> None:
    edge, local = FakeSpeaker("edge", never()), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local, config=TtsConfig(first_audio_seconds=0.01, breaker_failures=2)) as speech:
        for _ in range(4):
            assert engines(await speak(speech)) == ["espeak"]
        assert len(edge.received) == 2
        health = speech.health()
        assert (health.engine, health.active, health.breaker, health.state) == ("edge", "espeak", "open", "degraded")
        assert health.detail == "Edge gave no audio in time"


async def test_a_good_sentence_between_failures_keeps_the_breaker_closed() -> None:
    edge, local = FakeSpeaker("edge"), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local, config=TtsConfig(breaker_failures=2, first_audio_seconds=30)) as speech:
        for steps in ([SpeechError("503")], [AUDIO], [SpeechError("503")]):
            edge.steps = steps
            await speak(speech)
        assert speech.health().breaker == "closed"


async def test_a_voice_that_a_client_made_up_does_not_take_edge_from_others() -> None:
    edge = FakeSpeaker("edge", SpeechError("no such voice", code=ErrorCode.INVALID_PARAMETER))
    local = FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local, config=TtsConfig(breaker_failures=1, first_audio_seconds=30)) as speech:
        assert engines(await speak(speech, voice=Voice("en", "male", name="en-US-NobodyNeural"))) == ["espeak"]
        assert speech.health().breaker == "closed"


async def test_probes_in_the_background_find_edge_again() -> None:
    clock = Clock()
    edge, local = FakeSpeaker("edge", SpeechError("503")), FakeSpeaker("espeak", AUDIO)
    config = TtsConfig(breaker_failures=1, breaker_retry_seconds=30, first_audio_seconds=30)
    breaker = WatchedBreaker(config, clock)
    async with policy(edge, local, config=config, clock=clock, breaker=breaker) as speech:
        await speak(speech, voice=ARABIC)
        await clock.sleeping.wait()
        clock.sleeping.clear()

        clock.wake.set()
        await clock.sleeping.wait()
        assert clock.now == 30
        assert edge.received[1:] == [("نعم", ARABIC)]
        assert speech.health().breaker == "open"

        go = asyncio.Event()
        edge.steps, edge.asked = [go, AUDIO], asyncio.Event()
        clock.wake.set()
        await edge.asked.wait()
        assert speech.health().breaker == "half_open"
        assert engines(await speak(speech, voice=ARABIC)) == ["espeak"], "a turn is no probe"
        go.set()
        await breaker.closed.wait()
        edge.steps = [AUDIO]
        assert engines(await speak(speech)) == ["edge"]
        assert speech.health().state == "ready"


async def test_a_probe_that_is_late_is_a_failure() -> None:
    clock = Clock()
    edge, local = FakeSpeaker("edge", never()), FakeSpeaker("espeak", AUDIO)
    config = TtsConfig(breaker_failures=1, first_audio_seconds=0.01)
    async with policy(edge, local, config=config, clock=clock) as speech:
        await speak(speech)
        await clock.sleeping.wait()
        clock.sleeping.clear()
        clock.wake.set()
        await clock.sleeping.wait()
        assert len(edge.received) == 2
        assert speech.health().breaker == "open"


async def test_close_ends_a_probe_and_forgets() -> None:
    clock = Clock()
    edge, local = FakeSpeaker("edge", SpeechError("503")), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local, config=TtsConfig(breaker_failures=1), clock=clock) as speech:
        await speak(speech)
        edge.steps, edge.asked = [never()], asyncio.Event()
        clock.wake.set()
        await edge.asked.wait()
        await speech.close()
        assert edge.running == 0
        assert (speech.health().breaker, speech.health().state) == ("closed", "stopped")


@pytest.mark.parametrize("config", [IN_TIME, SOON], ids=["before the deadline", "while both try"])
async def test_cancelled_before_any_audio(config: TtsConfig) -> None:
    edge, local = FakeSpeaker("edge", never()), FakeSpeaker("espeak", never())
    async with policy(edge, local, config=config) as speech:
        speaking = asyncio.create_task(speak(speech))
        await (edge if config is IN_TIME else local).asked.wait()
        speaking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await speaking
        assert edge.running == local.running == 0
        assert speech.health().breaker == "closed"


@pytest.mark.parametrize("edge_steps", [(AUDIO, AUDIO), (SpeechError("503"),)], ids=["edge speaks", "espeak speaks"])
async def test_closed_in_the_middle(edge_steps: tuple[bytes | Exception, ...]) -> None:
    edge, local = FakeSpeaker("edge", *edge_steps), FakeSpeaker("espeak", AUDIO, AUDIO)
    async with policy(edge, local) as speech:
        async with aclosing(speech.synthesize("hello", ENGLISH)) as stream:
            await anext(stream)
        assert edge.running == local.running == 0


async def test_cancelled_between_chunks() -> None:
    edge, local = FakeSpeaker("edge", AUDIO, stall := asyncio.Event()), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local) as speech, aclosing(speech.synthesize("hello", ENGLISH)) as stream:
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert edge.running == 0
        assert not stall.is_set()
        assert local.received == []


async def test_piper_speaks_where_it_has_the_voice() -> None:
    piper, espeak = FakeSpeaker("piper", AUDIO, languages=("en",)), FakeSpeaker("espeak", AUDIO)
    async with policy(None, piper, espeak, config=TtsConfig(engine="piper")) as speech:
        assert engines(await speak(speech, voice=ENGLISH)) == ["piper"]
        assert (speech.health().engine, speech.health().active) == ("piper", "piper")
        assert engines(await speak(speech, "مرحبا", ARABIC)) == ["espeak"]
        assert speech.health().active == "espeak"


async def test_espeak_speaks_when_piper_fails_before_any_audio() -> None:
    piper, espeak = FakeSpeaker("piper", SpeechError("broken model")), FakeSpeaker("espeak", AUDIO)
    async with policy(None, piper, espeak, config=TtsConfig(engine="piper")) as speech:
        assert engines(await speak(speech)) == ["espeak"]


async def test_espeak_speaks_when_piper_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "LOCAL_SECONDS", 0.01)
    piper, espeak = FakeSpeaker("piper", never()), FakeSpeaker("espeak", AUDIO)
    async with policy(None, piper, espeak, config=TtsConfig(engine="piper")) as speech:
        assert engines(await speak(speech)) == ["espeak"]
        espeak.steps = [never()]
        with pytest.raises(SpeechError, match=r"piper: no audio within 0\.01 s; espeak: no audio within"):
            await speak(speech)


async def test_a_local_engine_that_fails_in_the_middle_fails_the_sentence() -> None:
    piper, espeak = FakeSpeaker("piper", AUDIO, SpeechError("broken")), FakeSpeaker("espeak", AUDIO)
    async with policy(None, piper, espeak, config=TtsConfig(engine="piper")) as speech:
        with pytest.raises(SpeechError, match="broken"):
            await speak(speech)
        assert espeak.received == []


async def test_what_has_nothing_to_pronounce_troubles_no_engine() -> None:
    edge, local = FakeSpeaker("edge", AUDIO), FakeSpeaker("espeak", AUDIO)
    async with policy(edge, local) as speech:
        with pytest.raises(SpeechError, match="nothing to pronounce"):
            await speak(speech, "؟!")
        assert edge.received == local.received == []


async def test_a_preferred_engine_may_be_missing() -> None:
    piper, espeak = FakeSpeaker("piper", AUDIO), FakeSpeaker("espeak", AUDIO)
    piper.error = WeightsUnavailableError("no voice")
    async with policy(FakeSpeaker("edge", SpeechError("503")), piper, espeak) as speech:
        await speech.warm_up()
        assert engines(await speak(speech)) == ["espeak"]
        assert speech.health().state == "ready"


async def test_a_preferred_engine_is_loaded_behind_the_ones_that_are_needed() -> None:
    piper, espeak = FakeSpeaker("piper", AUDIO), FakeSpeaker("espeak", AUDIO)
    async with policy(FakeSpeaker("edge", SpeechError("503")), piper, espeak) as speech:
        assert speech.health().state == "ready"
        assert engines(await speak(speech)) == ["espeak"]
        await speech.warm_up()
        assert engines(await speak(speech)) == ["piper"]


@pytest.mark.parametrize("config", [TtsConfig(engine="piper"), TtsConfig(local="piper")])
async def test_an_engine_asked_for_by_name_may_not(config: TtsConfig) -> None:
    piper = FakeSpeaker("piper")
    piper.error = WeightsUnavailableError("no voice")
    speech = SpeechPolicy(config, None, [piper, FakeSpeaker("espeak")])
    with pytest.raises(WeightsUnavailableError, match="no voice"):
        await speech.load()
    assert speech.health().state == "failed"


async def test_without_the_last_local_engine_there_is_no_speech() -> None:
    espeak = FakeSpeaker("espeak")
    espeak.error = SpeechError("no data")
    speech = SpeechPolicy(TtsConfig(), FakeSpeaker("edge"), [espeak])
    with pytest.raises(SpeechError, match="no data"):
        await speech.load()


async def test_all_engines_share_one_life() -> None:
    speakers = [FakeSpeaker(name) for name in ("edge", "piper", "espeak")]
    speech = SpeechPolicy(TtsConfig(), speakers[0], speakers[1:])
    assert speech.health().state == "stopped"
    assert not speech.supports(ENGLISH)
    await speech.load()
    await speech.load()
    assert speech.supports(ENGLISH)
    await speech.warm_up()
    await speech.release()
    await speech.close()
    assert [speaker.calls for speaker in speakers] == [["load", "warm_up", "release", "close"]] * 3


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (TtsConfig(), ["edge", "piper", "espeak"]),
        (TtsConfig(local="piper"), ["edge", "piper", "espeak"]),
        (TtsConfig(local="espeak"), ["edge", "espeak"]),
        (TtsConfig(engine="espeak"), ["espeak"]),
        (TtsConfig(engine="piper"), ["piper", "espeak"]),
    ],
)
async def test_the_configuration_names_the_engines(config: TtsConfig, names: list[str]) -> None:
    speech = create_policy(config, VoicesConfig(), ModelsConfig())
    assert list(dict.fromkeys(row.engine for row in await speech.voices())) == names
    assert speech.health().engine == config.engine
