import msgspec

from simplevoice.engine import EngineHealth
from tests.fakes.engines import FakeEngine


def test_health_shows_only_what_is_known() -> None:
    assert msgspec.to_builtins(EngineHealth("whisper", "ready")) == {"engine": "whisper", "state": "ready"}
    full = EngineHealth("whisper", "ready", model="base", device="cpu", detail="why")
    assert msgspec.to_builtins(full)["model"] == "base"


async def test_an_engine_without_anything_to_give_back_gives_nothing_back() -> None:
    class Plain(FakeEngine):
        warm_up = FakeEngine.__mro__[1].warm_up  # type: ignore[attr-defined]  # the base class's own
        release = FakeEngine.__mro__[1].release  # type: ignore[attr-defined]

    engine = Plain()
    await engine.load()
    await engine.warm_up()
    await engine.release()
    assert engine.health().state == "ready"
