"""What ``simplevoice talk`` draws while a conversation is live: its state, the microphone's level, the turn so far."""

from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from simplevoice.cli.output import directed
from simplevoice.cli.turn_view import Row, grid, outcome_rows, show_turn
from simplevoice.client import Outcome
from simplevoice.types import Language

State = Literal["listening", "hearing", "thinking", "speaking"]

STYLES: dict[State, str] = {"listening": "dim", "hearing": "green", "thinking": "yellow", "speaking": "cyan"}
METER_WIDTH = 24
QUIET_DB = -60.0
LOUD_DB = -12.0
"""Red from here on: consonants are about to be clipped."""


class Scene:
    """What there is to see. ``level`` is the microphone's, in dBFS; ``heard`` and ``reply`` are of the turn so far."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.state: State = "listening"
        self.level = QUIET_DB
        self.heard = ""
        self.reply = ""


class View:
    """The last lines of a terminal, drawn again and again; what is over scrolls away above. Elsewhere, plain lines."""

    def __init__(self, out: Console, *, silent: bool = False) -> None:
        self._out = out
        self._silent = silent
        self._live = Live(console=out, auto_refresh=False, transient=True) if out.is_terminal and not silent else None
        self._turns = 0
        self._turn_id: object = None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def draw(self, scene: Scene) -> None:
        """Show the scene as it is now."""
        if self._live:
            self._live.update(picture(scene, self._out), refresh=True)

    def show(self, outcome: Outcome) -> None:
        """Show a turn that is over, for good."""
        if not self._silent:
            self._turns += outcome.turn_id != self._turn_id  # a reply may be cut short when its turn is over
            self._turn_id = outcome.turn_id
            show_turn(self._out, f"turn {self._turns}", outcome_rows(outcome, self._out))


def picture(scene: Scene, out: Console) -> RenderableType:
    """Draw a scene."""
    keys = "space stops the reply, ctrl-C ends" if scene.state == "speaking" else "ctrl-C ends"
    line = Text.assemble(
        (f"● {scene.state:<10}", STYLES[scene.state]), meter(scene.level), ("  " + keys, "dim"), no_wrap=True
    )
    said: list[Row] = [("heard", scene.heard, "bold"), ("reply", scene.reply, "cyan")]
    rows = [(label, directed(text, scene.language, out), style) for label, text, style in said if text]
    return Group(line, grid(rows)) if rows else line


def meter(level: float) -> Text:
    """Draw a level in dBFS as a bar."""
    share = min(1.0, max(0.0, (level - QUIET_DB) / -QUIET_DB))
    lit = round(share * METER_WIDTH)
    style = "red" if level >= LOUD_DB else "green"
    return Text.assemble(("█" * lit, style), ("░" * (METER_WIDTH - lit), "dim"))
