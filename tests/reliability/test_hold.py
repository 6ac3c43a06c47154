from collections import Counter

from tests.reliability.hold import describe, hold, judge
from tests.reliability.subject import allow_descriptors


async def test_connections_are_held_while_some_of_them_talk() -> None:
    allow_descriptors(400)
    result = await hold(connections=100, talkers=10, seconds=3.0)
    assert result.outcomes == Counter(voice_response=10)
    assert result.alive == 100
    assert not result.failures
    assert not result.complaints
    assert len(result.first_audio) == 10
    assert "10 of 10" in str(judge(result))
    assert "10 of them talk" in describe(result)
