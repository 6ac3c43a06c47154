"""What a visitor of the soak does: how it asks, how far it gets, and in which rude way it leaves."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from typing import NamedTuple

from simplevoice.protocol import (
    AudioChunk,
    AudioEnd,
    AudioMessage,
    AudioStart,
    ClientMessage,
    ProcessingStarted,
    TextMessage,
    Transcription,
    TurnProcessingStarted,
    VoiceResponse,
    encode,
)
from simplevoice.types import AUDIO_FORMATS, INPUT_FORMATS, INPUT_SAMPLE_RATE, InputFormat
from tests import media
from tests.reliability.server import STEP_SECONDS
from tests.reliability.visitor import Visitor
from tests.reliability.wire import Opcode, Wire, close_frame, frame, message_frame, upgrade_request

STREAM = AudioStart(format="pcm16", sample_rate=INPUT_SAMPLE_RATE)
PIECE_BYTES = INPUT_SAMPLE_RATE * 2 // 10
"""100 ms of a stream."""
SILENCE = bytes(15 * PIECE_BYTES)
"""1.5 s, which ends any turn."""
QUESTION = "ar-no.wav"
"""A second of sound with one word in it."""

ASKS = ("text", "recording", "binary recording", "push to talk", "server_vad")
MODES = ("complete", "stream")

UPGRADING, UNREAD = "in the middle of the handshake", "before the answer to the handshake was read"
CONNECTED, ASKING, ASKED = "connected", "in the middle of the question", "behind the question"
BEGUN, HEARD, SPEAKING, ANSWERED = "when the turn began", "when it was heard", "when it is answered", "after the answer"
OUTSIDE = (UPGRADING, UNREAD)
MOMENTS = (UPGRADING, UNREAD, CONNECTED, ASKING, ASKED, BEGUN, HEARD, SPEAKING, ANSWERED)


async def _polite(visitor: Visitor) -> None:
    await visitor.goodbye()


async def _goodbye_twice(visitor: Visitor) -> None:
    await visitor.wire.write(close_frame() + close_frame())
    await visitor.wire.until_closed()


async def _hang_up(visitor: Visitor) -> None:
    visitor.wire.hang_up()


async def _reset(visitor: Visitor) -> None:
    visitor.wire.reset()


async def _half_close(visitor: Visitor) -> None:
    visitor.wire.shut()
    await visitor.wire.until_closed()


async def _hang_up_in_a_frame(visitor: Visitor) -> None:
    await visitor.wire.write(message_frame(bytes(2000))[:1000])
    visitor.wire.hang_up()


async def _reset_in_a_frame(visitor: Visitor) -> None:
    await visitor.wire.write(message_frame("{}")[:3])
    visitor.wire.reset()


async def _nonsense_last(visitor: Visitor) -> None:
    for nonsense in ("{", '{"type": "nonsense"}', b"nonsense"):
        await visitor.wire.send(nonsense)
    visitor.wire.hang_up()


async def _bad_frame_last(visitor: Visitor) -> None:
    await visitor.wire.write(frame(Opcode.TEXT, b"\xff\xfe"))
    await visitor.wire.until_closed()


async def _audio_begun_last(visitor: Visitor) -> None:
    await visitor.wire.write(message_frame(encode(STREAM)) + message_frame(speech()[:PIECE_BYTES]))
    visitor.wire.hang_up()


async def _more_and_reset(visitor: Visitor) -> None:
    for _ in range(3):
        await visitor.say(TextMessage(text="go on"))
    await asyncio.sleep(8 * STEP_SECONDS)
    visitor.wire.reset()


async def _replaced(visitor: Visitor) -> None:
    async with Visitor.visiting(visitor.url, **visitor.query) as newcomer:
        closed = await visitor.wire.until_closed()
        assert (closed.code, closed.reason) == (1008, "replaced")
        await newcomer.goodbye()


async def _silent(visitor: Visitor) -> None:
    await visitor.wire.until_dropped()


MANNERS: dict[str, Callable[[Visitor], Awaitable[None]]] = {
    "closing handshake": _polite,
    "close frame twice": _goodbye_twice,
    "TCP closed without a close frame": _hang_up,
    "TCP reset": _reset,
    "TCP closed on one side": _half_close,
    "TCP closed in the middle of a frame": _hang_up_in_a_frame,
    "TCP reset in the middle of a frame": _reset_in_a_frame,
    "bad JSON, unknown type, no container; closed": _nonsense_last,
    "invalid UTF-8": _bad_frame_last,
    "audio_start without an end; closed": _audio_begun_last,
    "three more questions, nothing read; reset": _more_and_reset,
    "replaced by a connection of the same id": _replaced,
}
SILENT = "silence until the heartbeat notices"
SILENT_SHARE = 100
"""One of so many, since it takes 30 s."""
_FROM_OUTSIDE = ("TCP closed without a close frame", "TCP reset")


class Plan(NamedTuple):
    """What one visitor does."""

    ask: str
    mode: str
    moment: str
    manner: str


def plans(number: int, seed: int, *, silent: bool) -> Iterator[Plan]:
    """Give every combination that there is in a random order, again and again."""
    every = [
        Plan(*choice)
        for choice in itertools.product(ASKS, MODES, MOMENTS, MANNERS)
        if (choice[2] not in OUTSIDE or choice[3] in _FROM_OUTSIDE)
        and (choice[2] != ASKING or choice[0] in ("push to talk", "server_vad"))
    ]
    random.Random(seed).shuffle(every)
    for index, plan in enumerate(itertools.islice(itertools.cycle(every), number)):
        falls_silent = silent and index % SILENT_SHARE == 0 and plan.moment not in OUTSIDE
        yield plan._replace(manner=SILENT) if falls_silent else plan


async def visit(url: str, plan: Plan, number: int) -> None:
    """Do what was planned. Raises AssertionError or ClosedError when the daemon does not do its part."""
    query = {
        "connection_id": f"visitor-{number}",
        "language": "en",
        "turn_detection": "server_vad" if plan.ask == "server_vad" else "none",
        "response_mode": plan.mode,
        "audio_format": AUDIO_FORMATS[number % len(AUDIO_FORMATS)],
        "audio_transport": ("base64", "binary")[number // len(AUDIO_FORMATS) % 2],
    }
    leave = MANNERS.get(plan.manner, _silent)
    if plan.moment in OUTSIDE:
        request = upgrade_request(url, **query)
        visitor = Visitor(await Wire.dial(url), url, query)
        await visitor.wire.write(request[: len(request) // 2] if plan.moment == UPGRADING else request)
        await leave(visitor)
        return
    async with Visitor.visiting(url, **query) as visitor:
        await _ask(visitor, plan, INPUT_FORMATS[number % len(INPUT_FORMATS)])
        outcomes = visitor.outcomes(closed=plan.moment != ANSWERED)
        assert plan.moment != ANSWERED or outcomes == {"voice_response": 1}, outcomes
        await leave(visitor)


async def _ask(visitor: Visitor, plan: Plan, container: InputFormat) -> None:
    """Ask, and wait until the moment to leave. Where the client can't see it, a turn of fakes is timed."""
    if plan.moment == CONNECTED:
        return
    messages = question(plan.ask, container)
    for message in messages[: len(messages) // 2] if plan.moment == ASKING else messages:
        await visitor.say(message)
    if plan.moment in (ASKING, ASKED):
        return
    streamed = plan.mode == "stream"
    await visitor.until(ProcessingStarted, TurnProcessingStarted)
    match plan.moment:
        case "when it was heard" if streamed:
            await visitor.until(Transcription)
        case "when it is answered" if streamed:
            await visitor.until(AudioChunk)
        case "when it was heard" | "when it is answered":
            await asyncio.sleep(STEP_SECONDS * (1.5 if plan.moment == HEARD else 4))
        case "after the answer":
            await visitor.until(VoiceResponse)


@cache
def question(ask: str, container: InputFormat) -> list[ClientMessage | bytes]:
    """Give the messages of a question; those of a stream begin with its ``audio_start``."""
    match ask:
        case "text":
            return [TextMessage(text="what time is it")]
        case "recording":
            return [AudioMessage(audio_data=_recording(container), format=container)]
        case "binary recording":
            return [_recording(container)]
        case "push to talk":
            return [STREAM, *pieces(speech()), AudioEnd()]
        case _:
            return [STREAM, *pieces(speech() + SILENCE)]


def pieces(pcm: bytes) -> list[bytes]:
    """Cut a stream into pieces of 100 ms."""
    return [pcm[start : start + PIECE_BYTES] for start in range(0, len(pcm), PIECE_BYTES)]


@cache
def _recording(container: InputFormat) -> bytes:
    return media.encode(media.recording(QUESTION), container)


@cache
def speech() -> bytes:
    """A second of sound with one word in it: 16 kHz mono s16le."""
    pcm: bytes = media.recording(QUESTION).raw_data
    return pcm
