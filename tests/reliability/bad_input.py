"""Everything bad that a client can send, each on a connection of its own: what was the answer, and what did it cost?

``make bad-input``, or ``python -m tests.reliability.bad_input``. Linux only: it reads /proc.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec
from msgspec import UNSET

from simplevoice.protocol import (
    ConnectionEstablished,
    ErrorMessage,
    Guidance,
    Ping,
    Pong,
    ProcessingStarted,
    VoiceResponse,
    decode_server,
    encode,
)
from simplevoice.server.reading import MAX_REFUSED_IN_A_ROW
from tests.figures.command import Verdict, conclude, main, progress
from tests.figures.report import Section, table
from tests.reliability.malice import Case, every
from tests.reliability.malice.frames import FRAMES
from tests.reliability.malice.sounds import SOUNDS
from tests.reliability.malice.texts import TEXTS
from tests.reliability.subject import Subject
from tests.reliability.wire import ClosedError, Wire

CASES = every(FRAMES, TEXTS, SOUNDS)
SETTINGS = {
    "limits_idle_timeout_seconds": 1,
    "limits_send_timeout_seconds": 1,
    "limits_messages_per_second": 100,
}
CASE_SECONDS = 60.0
MAX_GROWTH_MIB = 64.0
"""Some messages are as large as is allowed, 14 MB, and stand in memory twice or thrice while they are read."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a case.

    ``growth_mib`` is what the daemon needed at the most, beyond what it held before; ``step_ms`` is for how long one
    step of its event loop held all other connections up.
    """

    case: Case
    answer: str
    seconds: float
    growth_mib: float
    step_ms: float

    @property
    def good(self) -> bool:
        """Whether it is an answer that it should be."""
        first, *others = self.case.answer.split(" or ")
        return self.answer in (first, *(f"closed {other}" for other in others))


async def observe(url: str, case: Case) -> str:
    """Let a client do its worst, and write down what it got.

    That is: the errors and the ends of turns, as ``2 x error SERVER_BUSY, voice_response``; ``taken`` when there was
    neither; and, unless a ping was answered behind it all, the close, as ``closed 1009``.
    """
    wire = await Wire.open(url, connection_id=uuid.uuid4().hex, language="en", **case.query)
    assert isinstance(decode_server(str(await wire.receive())), ConnectionEstablished)
    acting = asyncio.create_task(_act(wire, case))
    try:
        if case.deaf:
            return await _until_dropped(acting)
        return await _listen(wire)
    finally:
        acting.cancel()
        await asyncio.wait([acting])
        wire.hang_up()


async def _act(wire: Wire, case: Case) -> None:
    with suppress(ConnectionError):
        await case.act(wire)
        await wire.send(encode(Ping()))


async def _until_dropped(acting: "asyncio.Task[None]") -> str:
    await acting  # it writes until that is refused
    return "dropped"


async def _listen(wire: Wire) -> str:
    """Listen until the last ping is answered and no turn is on, or until the end."""
    seen: Counter[str] = Counter()
    turns, pongs = 0, 0
    try:
        while turns or not pongs:
            match decode_server(str(await wire.receive())):
                case Pong():
                    pongs += 1
                case ProcessingStarted():
                    turns += 1
                case ErrorMessage(error_code=code, turn_id=turn):
                    seen[f"error {code}"] += 1
                    turns -= turn is not UNSET
                case VoiceResponse() | Guidance() as end:
                    seen[str(end.__struct_config__.tag)] += 1
                    turns -= 1
    except ClosedError as closed:
        return ", ".join([*_counted(seen), str(closed).replace("with ", "")])
    return ", ".join(_counted(seen)) or "taken"


def _counted(seen: Counter[str]) -> list[str]:
    """How often each came. How many it is that a flood gets depends on how fast it is."""
    return [
        name if number == 1 else f"{number if number < MAX_REFUSED_IN_A_ROW else 'many'} x {name}"
        for name, number in seen.items()
    ]


class _Memory:
    """What a process needs at the most, from one moment to another."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._peak("VmHWM")
        (self._folder / "clear_refs").write_text("5")  # the peak begins anew, proc(5)
        self._before = self._peak("VmRSS")

    def _peak(self, name: str) -> float:
        status = dict(line.split(":", 1) for line in (self._folder / "status").read_text().splitlines())
        return int(status[name].split()[0]) / 1024

    @property
    def growth_mib(self) -> float:
        """By how much it was more than at the beginning."""
        return max(0.0, self._peak("VmHWM") - self._before)


async def attempt(subject: Subject, case: Case) -> Outcome:
    """Try a case on a daemon."""
    await subject.inside()
    memory = _Memory(subject.pid)
    begun = time.monotonic()
    try:
        async with asyncio.timeout(CASE_SECONDS):
            answer = await observe(subject.url, case)
    except TimeoutError:
        answer = f"nothing for {CASE_SECONDS:g} s"
    seconds = time.monotonic() - begun
    return Outcome(case, answer, seconds, memory.growth_mib, (await subject.inside()).step)


async def attempt_all(cases: Sequence[Case]) -> tuple[list[Outcome], Counter[str]]:
    """Try all, one after the other, on one daemon; gives also what it logged as errors."""
    outcomes = []
    async with Subject.running("tests.reliability.server", settings=SETTINGS) as subject:
        with progress("bad inputs", len(cases)) as bar:
            for case in cases:
                outcomes.append(await attempt(subject, case))
                bar.update(1)
    return outcomes, subject.complaints


def judge(outcomes: Sequence[Outcome], complaints: Counter[str]) -> Verdict:
    """Compare with what is to be proved."""
    verdict = Verdict()
    wrong = sum(not outcome.good for outcome in outcomes)
    verdict.expect("every input got the answer that it should", f"{wrong} did not", met=not wrong)
    verdict.expect("no error in the log", f"{complaints.total()} errors", met=not complaints)
    growth = max(outcome.growth_mib for outcome in outcomes)
    verdict.expect(f"none took more than {MAX_GROWTH_MIB:g} MiB", f"{growth:.0f} MiB", met=growth <= MAX_GROWTH_MIB)
    return verdict


def describe(outcomes: Sequence[Outcome]) -> str:
    """Write the table."""
    rows = [
        (
            outcome.case.what,
            outcome.answer if outcome.good else f"**{outcome.answer}**, not {outcome.case.answer}",
            f"{outcome.seconds * 1000:.0f}",
            f"{outcome.step_ms:.0f}",
            f"{outcome.growth_mib:.0f}",
        )
        for outcome in outcomes
    ]
    return (
        f"{len(outcomes)} inputs. Where the answer does not end with `closed` or `dropped`, the connection went on: a\n"
        "ping was answered. `taken` is no refusal. An idle connection is closed after "
        f"{SETTINGS['limits_idle_timeout_seconds']} s here.\nThe longest step is for how long nobody else had the "
        "event loop, memory what the daemon needed more at the most.\n\n"
        + table(["input", "answer", "ms", "longest step, ms", "memory, MiB"], rows)
    )


async def command() -> bool:
    """Try everything and write it down."""
    section = Section("bad-input", "make bad-input")
    outcomes, complaints = await attempt_all(CASES)
    for complaint, number in complaints.most_common(20):
        click.echo(f"{number} x {complaint}", err=True)
    return conclude(section, describe(outcomes), judge(outcomes, complaints))


if __name__ == "__main__":
    main(command())
