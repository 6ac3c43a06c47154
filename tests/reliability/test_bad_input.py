import pytest

from tests.reliability.bad_input import CASES, MAX_GROWTH_MIB, attempt_all, describe, judge


@pytest.mark.timeout(180)  # a case that is not answered takes a minute
async def test_everything_bad_gets_its_answer_and_costs_little() -> None:
    outcomes, complaints = await attempt_all(CASES)
    assert [f"{o.case.what}: {o.answer}" for o in outcomes if not o.good] == []
    assert not complaints
    assert max(outcome.growth_mib for outcome in outcomes) <= MAX_GROWTH_MIB
    assert judge(outcomes, complaints).passed
    assert all(case.what in describe(outcomes) for case in CASES)
