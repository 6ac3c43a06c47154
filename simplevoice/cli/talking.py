"""The turns of ``simplevoice talk``: send, wait, show, save, play."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec
from rich.console import Console

from simplevoice import protocol
from simplevoice.cli.connecting import converse
from simplevoice.cli.output import console
from simplevoice.cli.sound import play, save
from simplevoice.cli.talk import Plan, Utterance
from simplevoice.cli.turn_view import outcome_rows, show_turn
from simplevoice.client import Conversation
from simplevoice.errors import ConnectionFailedError


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
        show_turn(out, utterance.label, outcome_rows(outcome, out, path))
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
