import asyncio

import pytest

from simplevoice.errors import SpeechError
from simplevoice.tts import Voice
from simplevoice.tts.hedge import Attempt
from tests.fakes.engines import FakeSpeaker, Step

VOICE = Voice("en", "female")
AUDIO = b"\x01\x00"


def attempt(*steps: Step) -> Attempt:
    speaker = FakeSpeaker("fake", *steps)
    speaker.chunks = 0
    return Attempt(speaker.synthesize("hello", VOICE))


async def test_all_audio_is_given_from_the_first_on() -> None:
    one = attempt(AUDIO, b"\x02\x00")
    assert await one.speaks_within(10)
    assert [chunk.data async for chunk in one] == [AUDIO, b"\x02\x00"]
    await one.close()


async def test_the_time_passes() -> None:
    one = attempt(asyncio.Event())
    assert not await one.speaks_within(0.01)
    assert one.failure is None
    await one.close()


async def test_a_failure_is_known_at_once_and_kept() -> None:
    one = attempt(SpeechError("broken"))
    assert not await one.speaks_within(10)
    assert str(one.failure) == "broken"
    with pytest.raises(SpeechError, match="broken"):
        await anext(one)
    await one.close()


async def test_an_engine_that_gives_nothing_has_failed() -> None:
    one = attempt()
    assert not await one.speaks_within(10)
    assert "no audio" in str(one.failure)
    await one.close()


async def test_a_fault_of_the_program_is_no_failure_of_an_engine() -> None:
    one = attempt(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        await one.speaks_within(10)
    await one.close()


async def test_the_first_to_give_audio_speaks() -> None:
    slow, quick = attempt(asyncio.Event()), attempt(AUDIO)
    assert not await slow.speaks_before(quick)
    assert await quick.speaks_before(slow)
    await slow.close()
    await quick.close()


async def test_who_fails_waits_for_the_other() -> None:
    go = asyncio.Event()
    slow, broken = attempt(go, AUDIO), attempt(SpeechError("broken"))
    asyncio.get_running_loop().call_soon(go.set)
    assert await slow.speaks_before(broken)
    await slow.close()
    await broken.close()


async def test_nobody_speaks_when_both_fail() -> None:
    one, other = attempt(SpeechError("one")), attempt(SpeechError("other"))
    assert not await one.speaks_before(other)
    assert not other.speaks
    await one.close()
    await other.close()


@pytest.mark.parametrize("step", [asyncio.Event(), AUDIO])
async def test_close_ends_the_synthesis(step: Step) -> None:
    speaker = FakeSpeaker("fake", step, AUDIO)
    one = Attempt(speaker.synthesize("hello", VOICE))
    await speaker.asked.wait()
    assert speaker.running == 1
    await one.close()
    assert speaker.running == 0
