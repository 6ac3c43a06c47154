"""A client of the chaos: it asks, talks over the answer, interrupts, leaves and comes back, and counts what comes."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

import msgspec
from msgspec import UNSET

from simplevoice.protocol import AnyServerMessage, AudioChunk, Interrupt
from simplevoice.types import AUDIO_FORMATS, INPUT_FORMATS
from tests.reliability.manners import ASKS, MODES, STREAM, question
from tests.reliability.story import Story
from tests.reliability.visitor import End, Visitor
from tests.reliability.wire import ClosedError, RefusedError

PAUSE_SECONDS = 1.0
"""At most, between an answer and the next question."""
MARGIN_SECONDS = 10.0
"""Beyond the deadlines of a turn, on a machine with much else to do."""
GIVE_UP_SECONDS = 120.0
"""Who has waited for too long goes on waiting, to learn what comes after all; at last it leaves."""

ACTS = {"ask": 4, "interrupt": 2, "ask again at once": 2, "leave": 1}
"""What a client does, and how often, as weights."""


GoOn = Callable[[int], bool]
"""Whether a client that has put so many questions goes on."""

Explain = Callable[[Mapping[str, str], Story], str]
"""Tells all that is known of a client, by the parameters of its connection, that waited for too long."""


class Deadlines(NamedTuple):
    """For how long a client may hear nothing of its answer, seconds: no sound and no end."""

    first: float
    """From the question, or from the end of the answer before."""
    next: float
    """From a sound."""

    @classmethod
    def of(cls, turn_seconds: float, next_sound_seconds: float) -> Self:
        """Give those of a daemon's limits, with a margin."""
        return cls(turn_seconds + MARGIN_SECONDS, next_sound_seconds + MARGIN_SECONDS)


class Tally(msgspec.Struct):
    """What came of the questions of some time."""

    asked: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    left: int = 0
    """Questions whose client left before it had an answer: none is due."""
    longest_wait: float = 0.0
    """In which nothing was heard of an answer, seconds."""
    longest_answer: float = 0.0
    """From the question, or the end of the answer before, to the end; seconds."""
    hung: list[str] = msgspec.field(default_factory=list)
    """Questions of whose answer nothing was heard until long behind a deadline, each with all that is known of it."""
    broken: Counter[str] = msgspec.field(default_factory=Counter)
    """What the protocol does not allow: a connection lost, a turn with two ends, a message behind its end."""


class HungError(Exception):
    """A turn had no end."""


class ChaosClient:
    """One client. It leaves with some questions unanswered, and comes back as the same one."""

    def __init__(self, url: str, number: int, seed: int, deadlines: Deadlines, explain: Explain) -> None:
        self._url = url
        self._ask = ASKS[number % len(ASKS)]
        self._container = INPUT_FORMATS[number % len(INPUT_FORMATS)]
        self._query = {
            "connection_id": f"chaos-{number}-{uuid.uuid4().hex[:8]}",
            "language": "en",
            "turn_detection": "server_vad" if self._ask == "server_vad" else "none",
            "response_mode": MODES[number // len(ASKS) % len(MODES)],
            "audio_format": AUDIO_FORMATS[number % len(AUDIO_FORMATS)],
            "audio_transport": ("base64", "binary")[number % 2],
        }
        self._random = random.Random(f"{seed} {number}")
        self._deadlines = deadlines
        self._explain = explain
        self._story = Story()
        """Since all was answered."""
        self._asked = 0
        self._due = 0
        """Questions without an answer yet."""
        self._ended: set[str] = set()

    async def converse(self, tally: Tally, go_on: GoOn, acts: Mapping[str, int] = ACTS) -> None:
        """Do one of the acts after the other. Who loses the connection, or leaves it, comes back."""
        self._asked = 0
        while go_on(self._asked):
            try:
                async with Visitor.visiting(self._url, **self._query) as visitor:
                    await self._visit(visitor, tally, go_on, acts)
            except HungError:
                continue
            except (AssertionError, OSError, ClosedError, RefusedError) as failure:
                tally.broken[f"{self._ask}: {type(failure).__name__} {failure}"] += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _visit(self, visitor: Visitor, tally: Tally, go_on: GoOn, acts: Mapping[str, int]) -> None:
        self._due = 0
        if self._ask == "server_vad":
            await visitor.say(STREAM)
        try:
            while go_on(self._asked):
                [act] = self._random.choices([*acts], [*acts.values()])
                await self._do(act, visitor, tally)
                if act == "leave":
                    tally.left += self._due
                    self._random.choice([visitor.wire.hang_up, visitor.wire.reset])()
                    return
                await self._pause()
            await visitor.goodbye()
        finally:
            tally.outcomes += visitor.outcomes(closed=self._due > 0)

    async def _do(self, act: str, visitor: Visitor, tally: Tally) -> None:
        await self._put_question(visitor, tally)
        if act == "ask again at once":
            await self._pause()
            await self._put_question(visitor, tally)
        elif act == "interrupt":
            await self._pause()
            self._story.note("interrupts")
            await visitor.say(Interrupt())
        elif act == "leave":
            await self._pause()
            return
        while self._due:
            await self._answered(visitor, tally)

    async def _put_question(self, visitor: Visitor, tally: Tally) -> None:
        if not self._due:
            self._story = Story()
        self._story.note(f"asks by {self._ask}")
        messages = question(self._ask, self._container)
        for message in messages[1:] if self._ask == "server_vad" else messages:
            await visitor.say(message)
        self._due += 1
        self._asked += 1
        tally.asked += 1

    async def _answered(self, visitor: Visitor, tally: Tally) -> None:
        """Wait for the end of a turn that is due. Raises HungError when it does not come at all."""
        begun = since = time.monotonic()
        ended = hung = False
        deadline = self._deadlines.first
        try:
            while not ended:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    ended = await self._hear_of_answer(visitor)
                since, waited = time.monotonic(), time.monotonic() - since
                tally.longest_wait = max(tally.longest_wait, waited)
                hung = hung or waited > deadline
                deadline = self._deadlines.next
        except TimeoutError:
            self._story.note("gives up")
            hung = True
            raise HungError from None
        finally:
            if hung:
                tally.hung.append(self._explain(self._query, self._story))
        tally.longest_answer = max(tally.longest_answer, since - begun)
        self._due -= 1

    async def _hear_of_answer(self, visitor: Visitor) -> bool:
        """Wait for a sound, or for the end of a turn that is due: True."""
        while True:
            message = await visitor.hear()
            self._story.heard(message)
            if self._is_an_end(message):
                return True
            if isinstance(message, AudioChunk):
                return False

    def _is_an_end(self, message: AnyServerMessage) -> bool:
        """Whether a question has its answer with this. What was answered may still be interrupted while it plays."""
        if not isinstance(message, End):
            return False
        if message.turn_id is UNSET:
            return True
        known = message.turn_id in self._ended
        self._ended.add(message.turn_id)
        return not known

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.uniform(0, PAUSE_SECONDS))
