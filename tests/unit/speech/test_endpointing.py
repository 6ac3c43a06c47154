"""Turns from probabilities: every number below is audio time."""

import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simplevoice.config import EndpointingConfig
from simplevoice.speech.endpointing import (
    TYPICAL_VAD_LAG_MS,
    VAD_LAG_MS,
    Endpointer,
    Event,
    SpeechResumed,
    SpeechStarted,
    TentativeEnd,
    TurnEnded,
    Verdict,
)

FRAME_MS = 32
CONFIG = EndpointingConfig()
MIN_SPEECH = 8  # frames: 250 ms rounded up
TENTATIVE = 2  # 160 ms less Silero's lag, rounded up
SILENCE = 16  # 500 ms rounded up
BOUND = 32  # 1200 ms less Silero's lag, rounded down
RESUME = 3

YES, NO = 0.9, 0.1


def hear(endpointer: Endpointer, *runs: tuple[float, int]) -> list[Event]:
    """Feed runs of (probability, frames)."""
    return [event for p, frames in runs for _ in range(frames) for event in endpointer.frame(p)]


def paused(**changes: float) -> Endpointer:
    """Return an endpointer right after its first tentative end, with evidence pending."""
    endpointer = Endpointer(EndpointingConfig(**changes))  # type: ignore[arg-type]  # whole numbers are ints
    assert hear(endpointer, (YES, 10), (NO, TENTATIVE)) == [SpeechStarted(0), TentativeEnd(1, 320)]
    return endpointer


def test_speech_starts_where_it_began() -> None:
    endpointer = Endpointer(CONFIG)
    assert hear(endpointer, (NO, 5), (YES, MIN_SPEECH - 1)) == []
    assert hear(endpointer, (YES, 1)) == [SpeechStarted(5 * FRAME_MS)]
    assert endpointer.speaking


def test_a_cough_starts_nothing() -> None:
    endpointer = Endpointer(CONFIG)
    assert hear(endpointer, *[(YES, MIN_SPEECH - 1), (NO, 4)] * 50) == []
    assert endpointer.onset_frame is None


def test_a_plosive_does_not_break_a_beginning() -> None:
    assert hear(Endpointer(CONFIG), (YES, 4), (NO, 3), (YES, 4)) == [SpeechStarted(0)]


def test_speech_goes_on_below_the_threshold_at_which_it_begins() -> None:
    endpointer = Endpointer(CONFIG)
    assert hear(endpointer, (0.4, 100)) == []
    assert hear(endpointer, (0.5, MIN_SPEECH), (0.35, 100)) == [SpeechStarted(100 * FRAME_MS)]
    assert hear(endpointer, (0.34, TENTATIVE)) == [TentativeEnd(1, 208 * FRAME_MS)]


def test_the_shortest_tentative_end_is_a_frame() -> None:
    endpointer = Endpointer(EndpointingConfig(tentative_ms=64))
    assert hear(endpointer, (YES, 10), (NO, 1)) == [SpeechStarted(0), TentativeEnd(1, 320)]


def test_finished_ends_at_once() -> None:
    assert paused().evidence(1, Verdict.FINISHED) == [TurnEnded(1, 320, TENTATIVE * FRAME_MS, "finished")]


@pytest.mark.parametrize(
    ("verdict", "frames", "reason"),
    [
        (Verdict.UNKNOWN, SILENCE, "silence"),
        (Verdict.HESITANT, (SILENCE + BOUND) // 2, "silence"),
        (Verdict.UNFINISHED, BOUND, "bound"),
        (None, BOUND, "bound"),
    ],
)
def test_the_evidence_decides_the_silence(verdict: Verdict | None, frames: int, reason: str) -> None:
    endpointer = paused()
    assert verdict is None or endpointer.evidence(1, verdict) == []
    assert hear(endpointer, (NO, frames - TENTATIVE - 1)) == []
    (ended,) = hear(endpointer, (NO, 1))
    assert ended == TurnEnded(1, 320, frames * FRAME_MS, reason)  # type: ignore[arg-type]  # pytest passes a str


def test_late_evidence_ends_a_turn_that_waited_long_enough() -> None:
    endpointer = paused()
    assert hear(endpointer, (NO, 15)) == []
    assert endpointer.evidence(1, Verdict.UNKNOWN) == [TurnEnded(1, 320, (TENTATIVE + 15) * FRAME_MS, "silence")]


def test_a_later_verdict_replaces_an_earlier_one() -> None:
    endpointer = paused()
    assert endpointer.evidence(1, Verdict.UNFINISHED) == []
    assert [type(event) for event in endpointer.evidence(1, Verdict.FINISHED)] == [TurnEnded]


def test_stale_evidence_is_ignored() -> None:
    endpointer = paused()
    assert hear(endpointer, (YES, RESUME)) == [SpeechResumed(1)]
    assert endpointer.evidence(1, Verdict.FINISHED) == []
    assert hear(endpointer, (NO, TENTATIVE)) == [TentativeEnd(2, (10 + TENTATIVE + RESUME) * FRAME_MS)]
    assert endpointer.evidence(1, Verdict.FINISHED) == []
    assert len(endpointer.evidence(2, Verdict.FINISHED)) == 1
    assert endpointer.evidence(2, Verdict.FINISHED) == []


def test_without_evidence_plain_silence_ends_the_turn() -> None:
    endpointer = Endpointer(CONFIG, expects_evidence=False)
    assert hear(endpointer, (YES, 10), (NO, SILENCE)) == [
        SpeechStarted(0),
        TentativeEnd(1, 320),
        TurnEnded(1, 320, SILENCE * FRAME_MS, "silence"),
    ]


def test_plain_silence_as_short_as_the_tentative_end_ends_with_it() -> None:
    endpointer = Endpointer(EndpointingConfig(silence_ms=64), expects_evidence=False)
    events = hear(endpointer, (YES, 10), (NO, TENTATIVE))
    assert [type(event) for event in events] == [SpeechStarted, TentativeEnd, TurnEnded]


def test_a_click_resumes_nothing_and_resets_no_wait() -> None:
    endpointer = paused()
    endpointer.evidence(1, Verdict.UNKNOWN)
    assert hear(endpointer, (YES, RESUME - 1), (NO, SILENCE - TENTATIVE - RESUME)) == []
    assert hear(endpointer, (NO, 1)) == [TurnEnded(1, 320, SILENCE * FRAME_MS, "silence")]


def test_speech_that_just_resumes_holds_the_end() -> None:
    endpointer = paused()
    assert hear(endpointer, (YES, 1)) == []
    assert endpointer.evidence(1, Verdict.FINISHED) == []
    assert hear(endpointer, (YES, RESUME - 1)) == [SpeechResumed(1)]


def test_speech_that_just_resumed_and_was_none_releases_the_end() -> None:
    endpointer = paused()
    assert hear(endpointer, (YES, 1)) == []
    assert endpointer.evidence(1, Verdict.FINISHED) == []
    assert [type(event) for event in hear(endpointer, (NO, 1))] == [TurnEnded]


def test_speech_just_after_the_end_is_the_next_turn() -> None:
    endpointer = paused()
    endpointer.evidence(1, Verdict.FINISHED)
    assert hear(endpointer, (YES, MIN_SPEECH)) == [SpeechStarted((10 + TENTATIVE) * FRAME_MS)]


def test_speech_that_begins_at_the_bound_is_the_next_turn_from_its_first_frame() -> None:
    endpointer = paused()
    (ended,) = hear(endpointer, (NO, BOUND - TENTATIVE - 2), (YES, 2))
    assert ended == TurnEnded(1, 320, BOUND * FRAME_MS, "bound")
    assert hear(endpointer, (YES, MIN_SPEECH - 2)) == [SpeechStarted((10 + BOUND - 2) * FRAME_MS)]


def test_the_longest_turn_is_cut_in_speech() -> None:
    endpointer = Endpointer(CONFIG, max_turn_ms=2000)
    assert hear(endpointer, (YES, 61)) == [SpeechStarted(0)]
    assert hear(endpointer, (YES, 1)) == [TurnEnded(None, 62 * FRAME_MS, 0, "length")]
    assert hear(endpointer, (YES, MIN_SPEECH)) == [SpeechStarted(62 * FRAME_MS)]


def test_flush_ends_a_turn_and_nothing_else() -> None:
    endpointer = Endpointer(CONFIG)
    assert endpointer.flush() == []
    hear(endpointer, (YES, 10), (NO, 1))
    assert endpointer.flush() == [TurnEnded(None, 320, 32, "flush")]
    assert endpointer.flush() == []
    endpointer = paused()
    assert endpointer.flush() == [TurnEnded(1, 320, TENTATIVE * FRAME_MS, "flush")]


def test_an_hour_of_silence_leaves_no_trace() -> None:
    endpointer = Endpointer(CONFIG)
    size = sum(sys.getsizeof(value) for value in vars(endpointer).values())
    assert hear(endpointer, (NO, 3_600_000 // FRAME_MS)) == []
    assert sum(sys.getsizeof(value) for value in vars(endpointer).values()) == size
    assert endpointer.silence_ms == 3_600_000
    assert len(hear(endpointer, (YES, MIN_SPEECH))) == 1


# The same examples each time, however slow the machine.
steadily = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])

probabilities = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.36, 0.49, 0.5, 1.0]), st.integers(1, 40)), max_size=40)
verdicts = st.lists(st.tuples(st.integers(0, 60), st.none() | st.sampled_from(Verdict)), max_size=20)
configs = st.builds(
    EndpointingConfig,
    min_speech_ms=st.integers(32, 600),
    tentative_ms=st.integers(64, 1000),
    silence_ms=st.integers(64, 3000),
    max_silence_ms=st.integers(64, 5000),
    resume_ms=st.integers(32, 500),
)


def play(
    config: EndpointingConfig,
    runs: list[tuple[float, int]],
    answers: list[tuple[int, Verdict | None]],
) -> list[tuple[int, Event]]:
    """Return (ms, event); each tentative end is answered by the next verdict after so many frames, or never."""
    endpointer = Endpointer(config, max_turn_ms=10_000)
    pending: list[tuple[int, int, Verdict]] = []
    heard: list[tuple[int, Event]] = []
    answer = iter(answers)
    frames = [p for p, count in runs for _ in range(count)]
    for index, p in enumerate(frames):
        events = endpointer.frame(p)
        for tentative in (event for event in events if isinstance(event, TentativeEnd)):
            delay, verdict = next(answer, (0, None))
            if verdict is not None:
                pending.append((index + delay, tentative.generation, verdict))
        for due, generation, verdict in pending:
            if due == index:
                events = [*events, *endpointer.evidence(generation, verdict)]
        heard += [((index + 1) * FRAME_MS, event) for event in events]
    return heard


@steadily
@given(configs, probabilities, verdicts)
def test_turns_hold_their_order_their_minima_and_the_bound(
    config: EndpointingConfig, runs: list[tuple[float, int]], answers: list[tuple[int, Verdict | None]]
) -> None:
    on = False
    generation = offset = 0
    open_generation: int | None = None
    bound = max(config.max_silence_ms - VAD_LAG_MS, config.silence_ms + FRAME_MS, config.tentative_ms + FRAME_MS)
    for now, event in play(config, [*runs, (0.0, 200)], answers):
        match event:
            case SpeechStarted():
                assert not on
                assert event.offset_ms >= offset
                assert now - event.offset_ms >= config.min_speech_ms
                on, offset = True, event.offset_ms
            case TentativeEnd():
                assert on
                assert open_generation is None
                assert event.generation == generation + 1
                assert event.offset_ms > offset
                assert now - event.offset_ms >= config.tentative_ms - TYPICAL_VAD_LAG_MS
                generation, offset = event.generation, event.offset_ms
                open_generation = generation
            case SpeechResumed():
                assert event.generation == open_generation
                open_generation = None
            case TurnEnded():
                assert on
                assert event.generation == open_generation
                assert event.waited_ms == now - event.offset_ms
                assert event.waited_ms <= bound
                if event.reason != "length":
                    assert event.waited_ms >= config.tentative_ms - TYPICAL_VAD_LAG_MS
                if event.reason == "silence":
                    assert event.waited_ms >= config.silence_ms
                assert event.offset_ms >= offset
                on, open_generation, offset = False, None, event.offset_ms
    assert not on, "200 frames of silence are longer than any bound"


@steadily
@given(probabilities.map(lambda runs: [(p, min(n, MIN_SPEECH - 1)) for run in runs for p, n in (run, (0.0, 4))]))
def test_speech_shorter_than_the_minimum_never_starts(runs: list[tuple[float, int]]) -> None:
    assert play(CONFIG, runs, []) == []
