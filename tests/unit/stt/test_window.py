import numpy as np
import pytest

from simplevoice.stt.window import (
    FLOOR_SECONDS,
    FULL_SECONDS,
    LONGEST_PIECE_SECONDS,
    MARGIN_SECONDS,
    SHORTEST_PIECE_SECONDS,
    STEP_SECONDS,
    Samples,
    fit,
    split_at_pauses,
    window_seconds,
)

RATE = 16_000


def noise(seconds: float) -> Samples:
    return np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("speech", "window"),
    [
        (0.0, FLOOR_SECONDS),
        (1.0, FLOOR_SECONDS),
        (FLOOR_SECONDS - MARGIN_SECONDS, FLOOR_SECONDS),
        (FLOOR_SECONDS - MARGIN_SECONDS + 0.1, FLOOR_SECONDS + STEP_SECONDS),
        (10.0, 10.0 + MARGIN_SECONDS),
        (LONGEST_PIECE_SECONDS, 22.5),
        (29.0, FULL_SECONDS),
        (30.0, FULL_SECONDS),
    ],
)
def test_the_window_is_the_speech_and_a_margin_within_bounds(speech: float, window: float) -> None:
    assert window_seconds(speech) == window


def test_fit_cuts_and_fills_up_with_silence() -> None:
    sound = noise(2)
    assert np.array_equal(fit(sound, 1), sound[:RATE])
    longer = fit(sound, 3)
    assert len(longer) == 3 * RATE
    assert np.array_equal(longer[: len(sound)], sound)
    assert not longer[len(sound) :].any()
    assert longer.dtype == np.float32


def test_what_fits_into_a_window_stays_whole() -> None:
    sound = noise(LONGEST_PIECE_SECONDS)
    [piece] = split_at_pauses(sound)
    assert np.array_equal(piece, sound)
    assert [len(p) for p in split_at_pauses(noise(0))] == [0]


def test_long_sound_is_cut_in_its_pauses_and_nothing_is_lost() -> None:
    sound = noise(60)
    pauses = [(17.0, 17.4), (33.0, 33.5)]
    for start, end in pauses:
        sound[round(start * RATE) : round(end * RATE)] = 0
    pieces = split_at_pauses(sound)
    assert np.array_equal(np.concatenate(pieces), sound)
    ends = np.cumsum([len(p) for p in pieces[:-1]]) / RATE
    assert [start < end < stop for end, (start, stop) in zip(ends, pauses, strict=False)] == [True, True]
    assert all(len(p) <= LONGEST_PIECE_SECONDS * RATE for p in pieces)


def test_without_any_pause_no_piece_is_too_long_or_too_short() -> None:
    pieces = split_at_pauses(np.full(61 * RATE, 0.5, dtype=np.float32))
    assert all(SHORTEST_PIECE_SECONDS * RATE <= len(p) <= LONGEST_PIECE_SECONDS * RATE for p in pieces[:-1])
    assert sum(len(p) for p in pieces) == 61 * RATE
