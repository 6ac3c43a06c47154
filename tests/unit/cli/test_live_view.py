"""What a live conversation looks like."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from simplevoice import protocol
from simplevoice.cli.live_view import QUIET_DB, Scene, State, View, meter, picture
from tests.fakes.daemon import guidance, voice_response


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=80, color_system=None)


def drawn(scene: Scene) -> list[str]:
    out = terminal()
    out.print(picture(scene, out))
    assert isinstance(out.file, StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


@pytest.mark.parametrize(("level", "lit"), [(QUIET_DB, 0), (-200, 0), (-30, 12), (0, 24)])
def test_meter(level: float, lit: int) -> None:
    assert meter(level).plain == "█" * lit + "░" * (24 - lit)


@pytest.mark.parametrize(
    ("state", "keys"), [("listening", "ctrl-C ends"), ("speaking", "space stops the reply, ctrl-C ends")]
)
def test_the_line_tells_state_level_and_keys(state: State, keys: str) -> None:
    scene = Scene("en")
    scene.state = state
    [line] = drawn(scene)
    assert line == f"● {state:<10}" + "░" * 24 + f"  {keys}"


def test_the_turn_so_far_stands_below() -> None:
    scene = Scene("ar")
    scene.heard = "لا."
    assert drawn(scene)[1:] == ["heard     \u2067لا.\u2069"]
    scene.language, scene.heard, scene.reply = "en", "hello", "Good day."
    assert drawn(scene)[1:] == ["heard     hello", "reply     Good day."]


def test_turns_stay_above_and_the_scene_goes() -> None:
    out = terminal()
    with View(out) as view:
        view.draw(Scene("en"))
        view.show(voice_response())
        view.show(msgspec.structs.replace(guidance(), turn_id="t2"))
        view.show(protocol.Interrupted(turn_id="t2", reason="client", heard_text=""))
    assert isinstance(out.file, StringIO)
    written = out.file.getvalue()
    assert written.index("listening") < written.index("turn 1") < written.index("turn 2")
    assert (written.count("turn 2"), written.count("turn 3")) == (2, 0)
    assert "\x1b[?25l" in written, "the cursor was hidden"
    assert written.rstrip().endswith(("\x1b[?25h", "\x1b[2K")), "and is there again"


def test_a_silent_view_writes_nothing() -> None:
    out = terminal()
    with View(out, silent=True) as view:
        view.draw(Scene("en"))
        view.show(voice_response())
    assert isinstance(out.file, StringIO)
    assert out.file.getvalue() == ""
