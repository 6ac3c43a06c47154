"""The turns of ``simplevoice talk``: send, wait, show, save, play."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from simplevoice import protocol
from simplevoice.cli.connecting import converse
from simplevoice.cli.output import console, directed, milliseconds
from simplevoice.cli.sound import play, save
from simplevoice.cli.talk import Plan, Utterance
from simplevoice.client import Conversation, Outcome, describe_error
from simplevoice.errors import ConnectionFailedError

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


async def talk_through(plan: Plan, utterances: Sequence[Utterance]) -> int:
    """Have all turns, and return the exit code: 0 when every one was answered."""
    out = console()
    answered = 0
    async with converse(plan.daemon, click.echo if plan.raw else None, **plan.opening) as conversation:
        for utterance in utterances:
            try:
                answered += await _turn(plan, conversation, utterance, out)
            except ConnectionFailedError as error:
                raise ConnectionFailedError(f"{utterance.label}: {error}") from None
    return 0 if answered == len(utterances) else 1


async def _turn(plan: Plan, conversation: Conversation, utterance: Utterance, out: Console) -> bool:
    """Have one turn, and tell whether it was answered."""
    message = await _message(utterance, plan.binary, conversation.limits)
    waiting = out.status(f"{utterance.label} …") if out.is_terminal and not plan.raw else nullcontext()
    with waiting:
        outcome = await conversation.turn(message, plan.turn_seconds)
    answer = outcome if isinstance(outcome, protocol.VoiceResponse) else None
    path = await _save(plan, answer) if answer else None
    if not plan.raw:
        _show(out, utterance.label, _rows(outcome, path, out))
    if answer and plan.player:
        await asyncio.to_thread(play, plan.player, _audio(answer), answer.audio_format, answer.duration_ms)
    return answer is not None


async def _message(
    utterance: Utterance, binary: bool, limits: protocol.ConnectionLimits
) -> protocol.ClientMessage | bytes:
    """Make the message of an utterance; what the name doesn't tell goes as binary, for the daemon to look at."""
    if utterance.text is not None:
        return protocol.TextMessage(text=utterance.text)
    audio = utterance.audio if utterance.path is None else await asyncio.to_thread(_read, utterance.path, limits)
    if not audio:
        raise click.ClickException(f"{utterance.label} is empty")
    if binary or utterance.container is None:
        return audio
    return protocol.AudioMessage(audio_data=audio, format=utterance.container)


def _read(path: Path, limits: protocol.ConnectionLimits) -> bytes:
    try:
        with path.open("rb") as file:
            audio = file.read(limits.max_audio_bytes + 1)
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}") from None
    if len(audio) > limits.max_audio_bytes:
        raise click.ClickException(f"{path} is larger than the daemon takes: {limits.max_audio_bytes} bytes")
    return audio


async def _save(plan: Plan, answer: protocol.VoiceResponse) -> Path | None:
    if not plan.save:
        return None
    try:
        return await asyncio.to_thread(save, _audio(answer), answer.audio_format, plan.target)
    except OSError as error:
        raise click.ClickException(f"the answer can't be saved: {error}") from None


def _audio(answer: protocol.VoiceResponse) -> bytes:
    if answer.audio_base64 is msgspec.UNSET:
        raise click.ClickException("the daemon sent an answer without audio")
    return answer.audio_base64


def _rows(outcome: Outcome, path: Path | None, out: Console) -> list[Row]:
    match outcome:
        case protocol.VoiceResponse():
            return _answer_rows(outcome, path, out)
        case protocol.Guidance():
            return [("guidance", f"{outcome.guidance} ({outcome.reason})", "yellow")]
        case protocol.Interrupted():
            return [("stopped", outcome.reason, "yellow")]
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


def _show(out: Console, label: str, rows: Sequence[Row]) -> None:
    """Print a turn: a block with hanging labels on a terminal, lines of ``label: text`` elsewhere."""
    if not out.is_terminal:
        for name, text, _ in [("sent", label, ""), *rows]:
            out.print(f"{name}: {text}", soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=LABEL_WIDTH)
    table.add_column()
    for name, text, style in rows:
        table.add_row(Text(name, style="dim"), Text(text, style=style))
    out.print(Text(label, style="bold green"))
    out.print(Padding(table, (0, 0, 1, 2)))
