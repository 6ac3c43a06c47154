from matplotlib.figure import Figure

from tests.benchmarks.turn import Profile, draw, stages
from tests.benchmarks.watch import Span

FOR_A_PAUSE = [Span("Whisper", -1900, -1700), Span("Smart Turn", -1700, -1650), Span("llama", -1700, -1600)]
FOR_THE_ANSWER = [
    Span("Whisper", 110, 300),
    Span("Smart Turn", 302, 350),
    Span("llama", 301, 360),
    Span("Piper", 400, 450),
    Span("encoding", 451, 453),
    Span("encoding", 460, 463),
    Span("Piper", 470, 600),
]
AFTERWARDS = [Span("Smart Turn", 3000, 3050)]


def test_the_stages_are_those_of_the_answer() -> None:
    found = stages([*FOR_A_PAUSE, *FOR_THE_ANSWER, *AFTERWARDS], endpoint_ms=500, answer_ms=505)
    assert list(found.values()) == [
        (0, 500),
        (110, 300),
        (302, 350),
        (301, 360),
        (360, 400),
        (400, 450),
        (451, 453),
        (453, 505),
    ]


def test_a_turn_is_drawn_from_its_first_stage_down() -> None:
    figure = Figure()
    draw(figure, Profile(stages(FOR_THE_ANSWER, endpoint_ms=500, answer_ms=505), 505))
    [axes] = figure.axes
    bars = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]  # type: ignore[attr-defined]
    assert bars[0] == (0, 500)
    assert len(bars) == 8
    assert axes.yaxis_inverted()
