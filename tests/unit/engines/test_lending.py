import asyncio

from simplevoice.engines.lending import Lending
from tests.fakes.engines import FakeModel


async def test_an_engine_that_nobody_has_is_closed_when_it_is_replaced() -> None:
    lending, engine = Lending(), FakeModel()
    with lending.lend([engine]):
        pass
    lending.replace(engine)
    await lending.close()
    assert engine.calls == ["close"]


async def test_an_engine_is_closed_once_behind_the_last_turn_that_has_it() -> None:
    lending, engine, other = Lending(), FakeModel(), FakeModel()
    with lending.lend([engine, other]):
        with lending.lend([engine]):
            lending.replace(engine)
        await asyncio.sleep(0)
        assert engine.calls == []
    await asyncio.sleep(0)
    assert engine.calls == ["close"]
    assert other.calls == []
    await lending.close()
    assert engine.calls == ["close"]


async def test_at_the_end_nothing_is_waited_for() -> None:
    lending, engine = Lending(), FakeModel()
    with lending.lend([engine]):
        lending.replace(engine)
        await lending.close()
        assert engine.calls == ["close"]
