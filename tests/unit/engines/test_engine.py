import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec

from simplevoice.engines.engine import EngineHealth, shut_down
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


def test_a_pool_is_shut_down_unless_a_thread_of_it_hangs() -> None:
    hanging, go_on = ThreadPoolExecutor(1), threading.Event()
    hanging.submit(go_on.wait, 20)
    assert not shut_down(hanging, 0.01)
    go_on.set()
    assert shut_down(hanging, 20)
