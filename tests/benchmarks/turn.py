"""Where the time of one turn goes: when each engine worked for it, and for how long it kept the processors busy."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from simplevoice.cli.clips import Clip
from tests.benchmarks.result import MEDIAN, Result, quantile
from tests.benchmarks.talking import calling, daemon, english_clips
from tests.benchmarks.watch import Span, look
from tests.figures.report import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROUNDS = 2
Stages = dict[str, tuple[float, float]]
"""When each began and ended, ms after the end of the speech."""


class Profile(msgspec.Struct, frozen=True):
    """One turn, until its answer began."""

    stages: Stages
    answer_ms: float


async def run(rounds: int = ROUNDS, clips: Sequence[Clip] = ()) -> Result:
    """Have turns with a daemon that can be looked into."""
    clips = clips or await asyncio.to_thread(english_clips)
    profiles: list[Profile] = []
    async with daemon("tests.benchmarks.profiled_server") as side, calling(side, 0) as caller:
        await caller.say(clips[0])
        before = (await look(side.url)).cpu
        for clip in [*clips] * rounds:
            figures = await caller.say(clip)
            inside = await look(side.url)
            if figures.answer_ms is not None and figures.endpoint_ms is not None:
                spans = [_after(caller.spoken_at, span) for span in inside.spans]
                profiles.append(Profile(stages(spans, figures.endpoint_ms, figures.answer_ms), figures.answer_ms))
    turns = rounds * len(clips)
    cpu = {name: (spent - before.get(name, 0.0)) / turns for name, spent in inside.cpu.items()}
    typical = sorted(profiles, key=lambda found: found.answer_ms)[len(profiles) // 2]
    return Result(details=_tables(profiles, cpu), draw=lambda figure: draw(figure, typical))


def stages(spans: Iterable[Span], endpoint_ms: float, answer_ms: float) -> Stages:
    """Pick the work that led to the answer; what was begun for a pause that was no end is left out. Spans are in ms."""
    done = [span for span in spans if span.began < answer_ms]
    heard = max((span for span in done if span.name == "Whisper"), key=lambda span: span.began)
    # All else is done behind the transcript.
    sound, word, speech, encoded = (
        min((s for s in done if s.name == name and s.began >= heard.ended - 1), key=lambda span: span.began)
        for name in ("Smart Turn", "llama", "Piper", "encoding")
    )
    return {
        "the pause, until the turn is over": (0, endpoint_ms),
        "Whisper: the words": (heard.began, heard.ended),
        "Smart Turn: how it sounded": (sound.began, sound.ended),
        "llama: first word": (word.began, word.ended),
        "llama: first clause": (word.ended, speech.began),
        "Piper: its sound": (speech.began, speech.ended),
        "encoding": (encoded.began, encoded.ended),
        "held, and sent": (encoded.ended, answer_ms),
    }


def _after(spoken_at: float, span: Span) -> Span:
    return Span(span.name, (span.began - spoken_at) * 1000, (span.ended - spoken_at) * 1000)


def _tables(profiles: Sequence[Profile], cpu: dict[str, float]) -> str:
    times = []
    for name in profiles[0].stages:
        found = [turn.stages[name] for turn in profiles]
        begins, takes = [begin for begin, _ in found], [end - begin for begin, end in found]
        times.append((name, *(f"{quantile(values, MEDIAN):.0f}" for values in (begins, takes))))
    answers = [turn.answer_ms for turn in profiles]
    times.append(("**the answer is heard**", f"{quantile(answers, MEDIAN):.0f}", ""))
    spent = sorted(cpu.items(), key=lambda one: -one[1])
    rows = [(name, f"{seconds:.2f}") for name, seconds in [*spent, ("**all**", sum(cpu.values()))]]
    return "\n".join(
        (
            table(("stage", "begins, ms after the speech", "takes, ms"), times),
            table(("threads of", "CPU s a turn"), rows),
        )
    )


def draw(figure: "Figure", turn: Profile) -> None:
    """Draw one turn: each stage where it was in time."""
    axes = figure.subplots()
    for place, (name, (begin, end)) in enumerate(turn.stages.items()):
        axes.barh(name, end - begin, left=begin, height=0.6, color="#b8b8b8" if place == 0 else "#2f7d5b")
        axes.text(end, place, f" {end - begin:.0f} ms", va="center", fontsize=9)
    axes.axvline(turn.answer_ms, color="black", linewidth=0.8)
    axes.set(xlabel="ms after the last word", xlim=(0, turn.answer_ms * 1.12))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
