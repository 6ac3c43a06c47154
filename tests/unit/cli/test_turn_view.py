"""How a turn is shown."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from simplevoice import protocol
from simplevoice.cli.turn_view import outcome_rows, show_turn
from tests.fakes.daemon import failure, guidance, voice_response

OUT = Console(file=StringIO(), width=160)


def test_an_answer_tells_its_words_its_speech_and_its_times() -> None:
    rows = outcome_rows(voice_response(), OUT, Path("reply.mp3"))
    assert [label for label, _, _ in rows] == ["heard", "reply", "speech", "time"]
    assert rows[2][1] == "reply.mp3, 1.5 s of mp3 by espeak"
    assert outcome_rows(voice_response(), OUT)[2][1] == "1.5 s of mp3 by espeak"


def test_other_ends_are_one_row() -> None:
    cut = protocol.Interrupted(turn_id="t1", reason="client", heard_text="")
    assert outcome_rows(cut, OUT) == [("stopped", "(client)", "yellow")]
    assert outcome_rows(guidance(), OUT) == [("guidance", "Please speak up. (no_speech)", "yellow")]
    [(label, text, _)] = outcome_rows(failure(), OUT)
    assert (label, text.split(":")[0]) == ("error", "AUDIO_DECODE_FAILED")


def test_elsewhere_than_on_a_terminal_it_is_plain_lines() -> None:
    out = Console(file=StringIO(), width=20)
    show_turn(out, "a.wav", [("heard", "longer than the console is wide", "bold")])
    assert isinstance(out.file, StringIO)
    assert out.file.getvalue() == "sent: a.wav\nheard: longer than the console is wide\n"
