"""Every work fails in every way: the client gets one answer, and its next turn works as soon as the engine does.

The whole daemon asks real servers that fail: see ``tests.fakes.faulty`` and ``tests.edge``.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import cycle
from typing import TypeVar

import pytest

from simplevoice.config import ModelsConfig, VoicesConfig
from simplevoice.errors import ErrorCode, SpeechError
from simplevoice.protocol import ClientMessage
from simplevoice.tts.edge import EdgeSpeaker
from simplevoice.tts.policy import SpeechPolicy
from simplevoice.types import LANGUAGES, Language
from tests.edge import Fault as EdgeFault
from tests.fakes.engines import FakeSpeaker
from tests.fakes.faulty import Fault
from tests.faults.daemon import SPOKEN, TYPED, World, daemon, world
from tests.leftovers import nothing_left

__all__ = ["nothing_left"]

F = TypeVar("F", Fault, EdgeFault)

FATAL = (
    Fault.REFUSES,
    Fault.CLOSES,
    Fault.UNAUTHORIZED,
    Fault.BUSY,
    Fault.FAILS,
    Fault.UNAVAILABLE,
    Fault.HANGS,
    Fault.NOT_JSON,
    Fault.NOT_UTF8,
    Fault.WRONG_SHAPE,
    Fault.HTML,
    Fault.EMPTY,
    Fault.ENDLESS_LINE,
)
"""Nothing comes that could be used."""

OF_RECOGNITION = (*FATAL, Fault.SLOW, Fault.STALLS, Fault.BREAKS_OFF, Fault.ENDS_EARLY, Fault.ENDLESS_REPLY)
IN_THE_MIDDLE = (Fault.STALLS, Fault.BREAKS_OFF, Fault.ENDS_EARLY)
"""Of a reply whose beginning is spoken."""


def in_both_languages(faults: Iterable[F]) -> list[tuple[F, Language]]:
    """Let the faults meet Arabic and English in turn."""
    return list(zip(faults, cycle(LANGUAGES), strict=False))


@pytest.fixture
async def servers() -> AsyncIterator[World]:
    async with world() as servers:
        yield servers


@pytest.mark.parametrize(("fault", "language"), in_both_languages(OF_RECOGNITION))
async def test_recognition_fails(servers: World, fault: Fault, language: Language) -> None:
    async with daemon(servers.config()) as house, house.line(language) as line:
        await servers.stt.switch(fault)
        await line.fails(SPOKEN, ErrorCode.TRANSCRIPTION_FAILED)
        await servers.stt.switch(Fault.NONE)
        assert (await line.answers(SPOKEN)).transcription == "What time is it?"


@pytest.mark.parametrize(("fault", "language"), in_both_languages([*FATAL, *IN_THE_MIDDLE]))
async def test_the_language_model_fails(servers: World, fault: Fault, language: Language) -> None:
    async with daemon(servers.config()) as house, house.line(language) as line:
        await servers.llm.switch(fault)
        await line.fails(TYPED, ErrorCode.REPLY_FAILED)
        await servers.llm.switch(Fault.NONE)
        assert (await line.answers(TYPED)).response_text == "It is noon. Time to eat."


@pytest.mark.parametrize(("fault", "language"), in_both_languages(EdgeFault))
async def test_edge_fails_and_the_local_voice_speaks(servers: World, fault: EdgeFault, language: Language) -> None:
    async with daemon(servers.config()) as house, house.line(language) as line:
        servers.edge.fault = fault
        assert "espeak" in (await line.answers(TYPED)).tts_engine
        servers.heal_edge()
        assert (await line.answers(TYPED)).tts_engine == "edge"


@pytest.mark.parametrize(("fault", "language"), in_both_languages(EdgeFault))
async def test_edge_and_the_local_voice_fail(servers: World, fault: EdgeFault, language: Language) -> None:
    config = servers.config()
    local = FakeSpeaker("espeak", SpeechError("no data"))
    edge = EdgeSpeaker(config.tts, VoicesConfig(), ModelsConfig(), connect_seconds=1.0, receive_seconds=1.0)
    speaker = SpeechPolicy(config.tts, edge, [local])
    async with daemon(config, speaker=speaker) as house, house.line(language) as line:
        servers.edge.fault = fault
        await line.fails(TYPED, ErrorCode.SPEECH_FAILED)
        servers.heal_edge()
        assert (await line.answers(TYPED)).tts_engine == "edge"


@pytest.mark.parametrize(
    ("server", "message", "fault"),
    [("stt", SPOKEN, Fault.LATE), ("llm", TYPED, Fault.LATE), ("llm", TYPED, Fault.SLOW)],
)
async def test_what_is_slow_but_in_time_is_an_answer(
    servers: World, server: str, message: ClientMessage, fault: Fault
) -> None:
    slow = {"stt": servers.stt, "llm": servers.llm}[server]
    async with daemon(servers.config()) as house, house.line() as line:
        await slow.switch(fault)
        await line.answers(message)


async def test_a_reply_without_end_is_spoken_as_far_as_a_reply_may_go(servers: World) -> None:
    servers.llm.fault = Fault.ENDLESS_REPLY
    async with daemon(servers.config()) as house, house.line() as line:
        assert len((await line.answers(TYPED)).response_text) <= 640


async def test_everything_that_hangs_ends_with_the_turns_deadline(servers: World) -> None:
    config = servers.config(turn_timeout_seconds=0.5)
    async with daemon(config) as house, house.line() as line:
        await servers.stt.switch(Fault.HANGS)
        await line.fails(SPOKEN, ErrorCode.TURN_TIMEOUT)
        await servers.stt.switch(Fault.NONE)
        await servers.llm.switch(Fault.HANGS)
        await line.fails(TYPED, ErrorCode.TURN_TIMEOUT)


@pytest.mark.parametrize("fault", OF_RECOGNITION)
async def test_another_recognizer_takes_over(servers: World, fault: Fault) -> None:
    async with daemon(servers.config(fallbacks=True)) as house, house.line() as line:
        await servers.stt.switch(fault)
        assert (await line.answers(SPOKEN)).transcription == "The second one hears."


@pytest.mark.parametrize("fault", FATAL)
async def test_another_model_takes_over(servers: World, fault: Fault) -> None:
    async with daemon(servers.config(fallbacks=True)) as house, house.line() as line:
        await servers.llm.switch(fault)
        assert (await line.answers(TYPED)).response_text == "The second one answers."


@pytest.mark.parametrize("fault", IN_THE_MIDDLE)
async def test_no_other_model_goes_on_with_a_reply(servers: World, fault: Fault) -> None:
    async with daemon(servers.config(fallbacks=True)) as house, house.line() as line:
        asked = len(servers.second_llm.requests)
        await servers.llm.switch(fault)
        await line.fails(TYPED, ErrorCode.REPLY_FAILED)
        assert len(servers.second_llm.requests) == asked


async def test_a_moment_of_weakness_is_not_noticed(servers: World) -> None:
    async with daemon(servers.config(fallbacks=True)) as house, house.line() as line:
        servers.llm.answers = [503]
        assert (await line.answers(TYPED)).response_text == "It is noon. Time to eat."


async def test_the_status_tells_who_works_in_whose_place(servers: World) -> None:
    async with daemon(servers.config(fallbacks=True)) as house, house.line() as line:
        assert (await house.health("llm"))["breaker"] == "closed"
        await servers.llm.switch(Fault.FAILS)
        await servers.stt.switch(Fault.REFUSES)
        for _ in range(3):
            await line.answers(SPOKEN)
        for role, reason in (("llm", "answered 500"), ("stt", "can't be reached")):
            health = await house.health(role)
            assert (health["status"], health["state"], health["breaker"]) == ("degraded", "degraded", "open")
            assert health["active"] == "openai"
            assert reason in health["detail"]
            assert health["fallbacks"][0]["state"] == "ready"
        asked = len(servers.llm.requests)
        await line.answers(SPOKEN)
        assert len(servers.llm.requests) == asked, "a dead one costs no time any more"


async def test_five_clients_each_get_their_one_answer_while_everything_fails(servers: World) -> None:
    config = servers.config(fallbacks=True, seconds=10.0)  # all faults are quick ones

    async def talk(n: int) -> list[str]:
        async with house.line(LANGUAGES[n % 2], f"c{n}") as line:
            return [type(await line.turn(SPOKEN)).__name__ for _ in range(2)]

    async with daemon(config) as house:
        servers.edge.fault = EdgeFault.UNAVAILABLE
        for server in (servers.stt, servers.second_stt, servers.llm, servers.second_llm):
            await server.switch(Fault.CLOSES)
        outcomes = await asyncio.gather(*(talk(n) for n in range(5)))
        assert {kind for kinds in outcomes for kind in kinds} == {"ErrorMessage"}
        for server in (servers.second_stt, servers.second_llm):
            await server.switch(Fault.NONE)
        outcomes = await asyncio.gather(*(talk(n) for n in range(5)))
        assert {kind for kinds in outcomes for kind in kinds} == {"VoiceResponse"}
