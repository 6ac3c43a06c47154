import asyncio

import pytest
from structlog.testing import capture_logs

from simplevoice.config import LimitsConfig
from simplevoice.engines.lent import Ears
from simplevoice.errors import EngineError, TranscriptionError
from simplevoice.service import SimpleVoiceService
from tests.fakes.engines import FakeEngines


def make_service(fakes: FakeEngines, **limits: float) -> SimpleVoiceService:
    return SimpleVoiceService(
        LimitsConfig(**limits),  # type: ignore[arg-type]  # every field that these tests set is a float
        fakes.transcriber,
        fakes.model,
        fakes.speaker,
        lambda: Ears(fakes.voice_activity, None),
    )


async def settled(service: SimpleVoiceService) -> None:
    """Wait for what happens behind the last user."""
    assert service._idle is not None
    await service._idle


async def warm(service: SimpleVoiceService) -> None:
    """Wait until it is warmed up."""
    assert service._warming is not None
    await service._warming


async def test_loads_and_warms_up_once() -> None:
    fakes = FakeEngines()
    service = make_service(fakes)
    await service.start()
    await warm(service)
    async with service.in_use() as lender, service.in_use():
        assert lender.engines.transcriber is fakes.transcriber
    assert fakes.transcriber.calls == ["load", "warm_up"]
    assert fakes.model.calls == ["load", "warm_up"]
    await service.close()


async def test_what_was_begun_is_not_begun_again() -> None:
    fakes = FakeEngines()
    service = make_service(fakes)
    await service.begin()
    assert [engine.calls for engine in (fakes.transcriber, fakes.model, fakes.speaker)] == [["load"]] * 3
    await service.start()
    await service.start()
    await warm(service)
    assert fakes.model.calls == ["load", "warm_up"]
    await service.close()


async def test_what_fails_at_the_beginning_is_told_at_the_start() -> None:
    fakes = FakeEngines()
    fakes.model.error = EngineError("no such model")
    service = make_service(fakes)
    await service.begin()
    with pytest.raises(EngineError, match="no such model"):
        await service.start()
    await service.close()


async def test_what_was_begun_ends_with_the_service() -> None:
    service = make_service(FakeEngines())
    await service.begin()
    await service.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_turn_does_not_wait_for_the_warm_up() -> None:
    fakes = FakeEngines()
    cold = asyncio.Event()

    async def never_warm() -> None:
        cold.set()
        await asyncio.Event().wait()

    fakes.transcriber.warm_up = never_warm  # type: ignore[method-assign]  # as a slow machine's
    service = make_service(fakes)
    async with service.in_use():
        await cold.wait()
        assert service.health().good
        with service.lend():
            pass
    await service.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("error", [TranscriptionError("out of memory"), ValueError("a mistake")])
async def test_who_fails_to_warm_up_keeps_nobody_else_from_it(error: Exception) -> None:
    fakes = FakeEngines()

    async def fail() -> None:
        raise error

    fakes.transcriber.warm_up = fail  # type: ignore[method-assign]
    service = make_service(fakes)
    with capture_logs() as logs:
        await service.start()
        await warm(service)
    assert fakes.model.calls == fakes.speaker.calls == ["load", "warm_up"]
    assert [entry["event"] for entry in logs][-2:] == [
        "warm_up_failed" if isinstance(error, TranscriptionError) else "warm_up_crashed",
        "warmed_up",
    ]
    await service.close()


async def test_health_tells_what_is_broken() -> None:
    fakes = FakeEngines()
    service = make_service(fakes)
    assert service.health().broken == ["stt", "llm", "tts"]
    await service.start()
    assert service.health().broken == []
    assert service.health().good
    fakes.speaker.state = "degraded"
    assert not service.health().good
    assert service.health().broken == []
    await service.close()


async def test_releases_behind_the_last_connection() -> None:
    fakes = FakeEngines()
    service = make_service(fakes, idle_release_seconds=0.0)
    async with service.in_use():
        async with service.in_use():
            pass
        await warm(service)
        assert "release" not in fakes.model.calls
    await settled(service)
    assert fakes.model.calls == ["load", "warm_up", "release"]
    await service.close()


async def test_keeps_everything_when_somebody_came_back_meanwhile() -> None:
    fakes = FakeEngines()
    service = make_service(fakes, idle_release_seconds=3600.0)
    async with service.in_use():
        pass
    idle = service._idle
    async with service.in_use():
        assert idle is not None
        assert idle.cancelled()
        assert "release" not in fakes.model.calls
    await service.close()


async def test_unloads_only_when_told_to_and_loads_again() -> None:
    fakes = FakeEngines()
    service = make_service(fakes, idle_release_seconds=0.0, unload_after_seconds=0.001)
    async with service.in_use():
        await warm(service)
    await settled(service)
    assert fakes.model.calls == ["load", "warm_up", "release", "close"]
    async with service.in_use():
        assert service.health().good
    await service.close()


async def test_who_comes_while_engines_are_unloaded_waits_until_they_are_loaded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = FakeEngines()
    service = make_service(fakes, idle_release_seconds=0.0, unload_after_seconds=0.001)
    begun, go = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        begun.set()
        await go.wait()
        fakes.speaker.calls.append("close")
        fakes.speaker.state = "stopped"

    monkeypatch.setattr(fakes.speaker, "close", close)
    async with service.in_use():
        await warm(service)
    await begun.wait()
    asyncio.get_running_loop().call_soon(go.set)
    await asyncio.gather(service.borrow(), service.borrow())
    assert fakes.speaker.calls[:5] == ["load", "warm_up", "release", "close", "load"]
    assert service.health().good
    service.give_back()
    service.give_back()
    await service.close()


async def test_an_engine_that_cannot_load_is_told() -> None:
    fakes = FakeEngines()
    fakes.model.error = EngineError("no such model")
    service = make_service(fakes)
    with pytest.raises(EngineError, match="no such model"):
        await service.start()
    assert service.health().broken == ["llm"]
    await service.close()


async def test_close_leaves_no_task() -> None:
    service = make_service(FakeEngines(), idle_release_seconds=3600.0)
    async with service.in_use():
        pass
    await service.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_it_knows_which_engines_are_wanted_and_how_long_they_took() -> None:
    service = make_service(FakeEngines())
    assert service.configured == {"stt": "fake", "llm": "fake", "tts": "fake"}
    assert service.load_seconds == {}
    await service.start()
    assert set(service.load_seconds) == {"stt", "llm", "tts", "ears"}
    assert all(seconds >= 0 for seconds in service.load_seconds.values())
    await service.close()
