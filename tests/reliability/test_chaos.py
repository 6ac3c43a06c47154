import pytest

from tests.reliability.chaos import chaos, describe, judge


@pytest.mark.timeout(120)
async def test_every_turn_ends_once_while_everything_fails() -> None:
    clients, afterwards = 10, 2  # a client of each kind of question, in both response modes
    quick = {f"{engine}_breaker_retry_seconds": 1.0 for engine in ("stt", "llm", "tts")}
    result = await chaos(6.0, seed=3, clients=clients, turn_seconds=10.0, afterwards=afterwards, **quick)
    for tally in (result.under_faults, result.recovering, result.afterwards):
        assert not tally.hung
        assert not tally.broken
        assert tally.outcomes.total() + tally.left == tally.asked
    assert not result.complaints
    assert result.recovery_seconds is not None
    assert result.afterwards.outcomes == {"voice_response": clients * afterwards}
    assert all(kinds for kinds in result.faults.values())
    assert judge(result).passed
    assert "| questions " in describe(result)
