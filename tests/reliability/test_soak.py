from tests.reliability.manners import ASKS, MANNERS, MOMENTS, SILENT, plans
from tests.reliability.soak import judge, soak

CONNECTIONS = 300


async def test_nothing_of_rude_clients_stays_in_the_daemon() -> None:
    result = await soak(CONNECTIONS, seed=1, stages=1, silent=False)
    assert not result.failures
    assert not result.complaints
    assert result.left.total() == CONNECTIONS
    before, after = result.looks.values()
    assert after.tasks <= before.tasks
    assert after.threads <= before.threads + 1, "a pool may start its last thread late"
    assert after.descriptors <= before.descriptors
    assert after.objects == 0
    assert str(judge(result))


def test_the_long_soak_has_every_manner_at_every_moment() -> None:
    seen = list(plans(10_000, 1, silent=True))
    assert {plan.manner for plan in seen} == {*MANNERS, SILENT}
    assert {(plan.ask, plan.moment) for plan in seen} >= {(a, m) for a in ASKS for m in MOMENTS if "middle" not in m}
    assert plans(100, 1, silent=True) != plans(100, 2, silent=True)
