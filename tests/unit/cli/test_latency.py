"""Figures from made-up messages and times. The speech ends at 100 s."""

import numpy as np
import pytest

from simplevoice import protocol
from simplevoice.cli.latency import (
    Arrival,
    Spread,
    TurnFigures,
    listen_until,
    speech_frames,
    summarize,
    turn_figures,
)
from simplevoice.errors import ErrorCode
from tests.fakes.daemon import voice_response
from tests.media import tone

SPOKEN = 100.0
TIMINGS = protocol.Timings(total=900, transcribe=350, first_text=480, first_audio=500, endpoint=512)


def speech(at: float) -> Arrival:
    return Arrival(at, protocol.SpeechStart(message="", offset_ms=0))


def begun(at: float, turn: str = "t1") -> Arrival:
    return Arrival(at, protocol.TurnProcessingStarted(turn_id=turn, message=""))


def sound(at: float, turn: str = "t1", pcm: bytes = b"\x00\x10" * 240) -> Arrival:
    message = protocol.AudioChunk(turn_id=turn, seq=0, format="pcm16", sample_rate=24_000, size=len(pcm))
    return Arrival(at, message, pcm)


def answered(at: float, turn: str = "t1") -> Arrival:
    return Arrival(at, voice_response(turn_id=turn, timings=TIMINGS))


def interrupted(at: float, turn: str = "t1") -> Arrival:
    return Arrival(at, protocol.Interrupted(turn_id=turn, reason="speech", heard_text=""))


def figures(*arrivals: Arrival) -> TurnFigures:
    return turn_figures("a.wav", 0, SPOKEN, arrivals, 0.0123)


def test_a_turn_that_is_answered() -> None:
    quiet = sound(100.7, pcm=bytes(2 * 480))
    assert figures(speech(97), begun(100.52), quiet, sound(100.72), answered(101)) == TurnFigures(
        clip="a.wav",
        client=0,
        outcome="answered",
        splits=0,
        endpoint_ms=520,
        first_sound_ms=700,
        answer_ms=700,
        audible_ms=720,
        stages=TIMINGS,
        lag_ms=12.3,
    )


def test_an_answer_that_is_never_loud_is_never_audible() -> None:
    found = figures(begun(100.5), sound(100.6, pcm=b"\x20\x00" * 100), answered(100.7))
    assert found.answer_ms == 600
    assert found.audible_ms is None


def test_the_answer_that_stays_counts_and_not_the_one_that_was_dropped() -> None:
    found = figures(
        *(speech(97), begun(99.5, "half"), sound(100.1, "half"), interrupted(100.2, "half")),
        *(speech(100.2), begun(101, "whole"), sound(101.4, "whole"), answered(102, "whole")),
    )
    assert (found.outcome, found.splits) == ("answered", 1)
    assert (found.first_sound_ms, found.answer_ms, found.endpoint_ms) == (100, 1400, 1000)


def test_sound_into_the_speech_is_no_answer_to_it() -> None:
    found = figures(begun(99), sound(99.9), sound(100.1), answered(100.2))
    assert found.outcome == "early"
    assert (found.first_sound_ms, found.answer_ms, found.stages) == (100, None, None)


def test_turns_of_before_do_not_count() -> None:
    found = figures(sound(97, "old"), answered(97.1, "old"), interrupted(100.1, "old"))
    assert (found.outcome, found.splits, found.first_sound_ms) == ("no turn", 0, None)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (protocol.Guidance(turn_id="t1", guidance="", transcription="", reason="unclear"), "not understood"),
        (
            protocol.ErrorMessage(error_code=ErrorCode.REPLY_FAILED, message="", retry_suggested=True, turn_id="t1"),
            "failed",
        ),
        (protocol.Interrupted(turn_id="t1", reason="client", heard_text=""), "no answer"),
        (voice_response(turn_id="t1"), "no answer"),
        (protocol.Pong(), "no answer"),
    ],
)
def test_a_turn_without_answer(end: protocol.AnyServerMessage, outcome: str) -> None:
    found = figures(begun(100.5), Arrival(100.6, end))
    assert found.outcome == outcome
    assert found.answer_ms is None


def test_an_error_of_no_turn_ends_none() -> None:
    error = protocol.ErrorMessage(error_code=ErrorCode.RATE_LIMITED, message="", retry_suggested=True)
    assert figures(begun(100.4), Arrival(100.5, error), sound(100.6), answered(101)).outcome == "answered"


def test_listening_ends_a_while_after_everything_was_answered() -> None:
    assert listen_until(SPOKEN, [speech(97), begun(100.5), sound(100.6), answered(101)]) == 103
    assert listen_until(SPOKEN, [speech(97), begun(98), answered(99)]) == 102


def test_listening_ends_soon_where_nobody_was_heard() -> None:
    assert listen_until(SPOKEN, []) == 106


def test_listening_goes_on_while_somebody_speaks_or_is_answered_but_not_for_ever() -> None:
    assert listen_until(SPOKEN, [speech(97)]) == 160
    assert listen_until(SPOKEN, [speech(97), begun(100.5), sound(101)]) == 160
    assert listen_until(SPOKEN, [speech(97), begun(99), interrupted(101), speech(101)]) == 160
    assert listen_until(SPOKEN, [speech(97), begun(100.5), answered(159.5)]) == 160


def test_speech_ends_with_the_last_frame_that_is_not_35_db_below_the_loudest() -> None:
    audible, faint = tone(90).apply_gain(-34), tone(200).apply_gain(-36)
    frames = speech_frames((tone(310) + audible + faint).raw_data)
    assert len(frames) == 20
    assert {len(frame) for frame in frames} == {640}
    assert b"".join(frames) == (tone(310) + audible).raw_data


def test_a_clip_that_is_no_whole_number_of_frames_is_filled_up() -> None:
    frames = speech_frames(tone(50).raw_data)
    assert b"".join(frames) == tone(50).raw_data + bytes(320)
    assert len(speech_frames(np.zeros(3200, "<i2").tobytes())) == 10


def test_figures_are_summed_up() -> None:
    turns = [figures(begun(100.5), sound(100 + n / 10), answered(101)) for n in range(6, 16)]
    summary = summarize([*turns, figures()])
    assert (summary.turns, summary.answered, summary.split) == (11, 10, 0)
    assert summary.figures["answer_ms"] == Spread(median=1050, p90=1400, max=1500)
    assert summary.figures["lag_ms"] == Spread(12.3, 12.3, 12.3)
    assert summary.stages["first_text"] == Spread(480, 480, 480)
    assert "decode" not in summary.stages


def test_nothing_is_summed_up_of_nothing() -> None:
    summary = summarize([figures()])
    assert set(summary.figures) == {"lag_ms"}
    assert summary.stages == {}


def test_who_plays_the_answer_hears_it_to_its_end() -> None:
    second = bytes(48_000)
    arrivals = [speech(97), begun(100.5), sound(100.6, pcm=second), sound(100.7, pcm=second), answered(101)]
    assert listen_until(SPOKEN, arrivals) == 103
    assert listen_until(SPOKEN, arrivals, plays=True) == pytest.approx(104.6)
    assert listen_until(SPOKEN, [speech(97), begun(98), answered(99)], plays=True) == 102
