"""How a turn is shown: a block with hanging labels on a terminal, lines of ``label: text`` elsewhere."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from simplevoice import protocol
from simplevoice.cli.output import directed, milliseconds
from simplevoice.client import Outcome
from simplevoice.reach import describe_error

Row = tuple[str, str, str]
"""A label, what stands after it, and rich's style of that."""

LABEL_WIDTH = len("guidance")

STAGES = {
    "endpoint": "endpoint",
    "decode": "decode",
    "transcribe": "transcribe",
    "first_text": "first text",
    "first_audio": "first audio",
}


def outcome_rows(outcome: Outcome, out: Console, path: Path | None = None) -> list[Row]:
    """Make the rows of how a turn ended; ``path`` is where its speech was saved."""
    match outcome:
        case protocol.VoiceResponse():
            return _answer_rows(outcome, path, out)
        case protocol.Guidance():
            return [("guidance", f"{outcome.guidance} ({outcome.reason})", "yellow")]
        case protocol.Interrupted():
            return [("stopped", f"{outcome.heard_text} ({outcome.reason})".lstrip(), "yellow")]
        case protocol.ErrorMessage():
            return [("error", describe_error(outcome), "red")]


def _answer_rows(answer: protocol.VoiceResponse, path: Path | None, out: Console) -> list[Row]:
    heard = directed(answer.transcription, answer.language, out)
    reply = directed(answer.response_text, answer.language, out)
    stages = msgspec.structs.asdict(answer.timings)
    steps = [f"{words} {milliseconds(stages[name])}" for name, words in STAGES.items() if stages[name] is not None]
    speech = f"{answer.duration_ms / 1000:.1f} s of {answer.audio_format} by {answer.tts_engine}"
    return [
        ("heard", heard, "bold"),
        ("reply", reply, "bold cyan"),
        ("speech", f"{path}, {speech}" if path else speech, ""),
        ("time", ", ".join([f"{milliseconds(answer.timings.total)} in all", *steps]), "dim"),
    ]


def show_turn(out: Console, label: str, rows: Sequence[Row]) -> None:
    """Print a turn."""
    if not out.is_terminal:
        for name, text, _ in [("sent", label, ""), *rows]:
            out.print(f"{name}: {text}", soft_wrap=True)
        return
    out.print(Text(label, style="bold green"))
    out.print(Padding(grid(rows), (0, 0, 1, 2)))


def grid(rows: Sequence[Row]) -> Table:
    """Lay rows out under each other."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=LABEL_WIDTH)
    table.add_column()
    for name, text, style in rows:
        table.add_row(Text(name, style="dim"), Text(text, style=style))
    return table
