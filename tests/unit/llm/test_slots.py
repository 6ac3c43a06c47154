import asyncio

from simplevoice.llm import ChatMessage
from simplevoice.llm.slots import Slots

SYSTEM = ChatMessage("system", "Be brief.")


def talk(*said: str) -> list[ChatMessage]:
    return [SYSTEM, *(ChatMessage("assistant" if n % 2 else "user", text) for n, text in enumerate(said))]


async def test_a_conversation_goes_on_in_its_slot() -> None:
    slots = Slots(3)
    first = await slots.take(talk("What is up?"))
    second = await slots.take(talk("How are you?"))
    slots.give_back(second)
    slots.give_back(first)
    assert await slots.take(talk("How are you?", "Fine.", "Good.")) is second
    assert await slots.take(talk("What is up?", "The sky.", "Ha.")) is first


async def test_it_goes_on_there_when_its_oldest_turn_was_forgotten() -> None:
    slots = Slots(2)
    slot = await slots.take(talk("One?", "1", "Two?", "2", "Three?"))
    slots.give_back(slot)
    assert await slots.take(talk("Two?", "2", "Three?", "3", "Four?")) is slot


async def test_a_new_conversation_takes_the_slot_unused_for_longest() -> None:
    slots = Slots(2)
    first, second = await slots.take(talk("One?")), await slots.take(talk("Two?"))
    slots.give_back(second)
    slots.give_back(first)
    assert await slots.take(talk("Three?")) is second


async def test_a_slot_is_unused_until_it_was_taken() -> None:
    slots = Slots(2)
    assert slots.unused == 2
    slots.give_back(await slots.take(talk("One?")))
    assert slots.unused == 1


async def test_a_reply_waits_for_a_free_slot() -> None:
    slots = Slots(1)
    slot = await slots.take(talk("One?"))
    waiting = asyncio.create_task(slots.take(talk("Two?")))
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.give_back(slot)
    assert await waiting is slot


async def test_who_stops_waiting_takes_no_slot() -> None:
    slots = Slots(1)
    slot = await slots.take(talk("One?"))
    waiting = asyncio.create_task(slots.take(talk("Two?")))
    await asyncio.sleep(0)
    slots.give_back(slot)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(1):
        assert await slots.take(talk("Three?")) is slot


async def test_who_waits_is_counted() -> None:
    slots = Slots(1)
    slot = await slots.take(talk("One?"))
    second, third = (asyncio.create_task(slots.take(talk(text))) for text in ("Two?", "Three?"))
    await asyncio.sleep(0)
    assert slots.waiting == 2
    third.cancel()
    await asyncio.wait([third])
    assert slots.waiting == 1
    slots.give_back(slot)
    assert await second is slot
    assert slots.waiting == 0
