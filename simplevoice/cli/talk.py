"""``simplevoice talk``."""

import asyncio
import sys
import textwrap
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import msgspec

from simplevoice.cli.sound import find_player, format_of, playable_format
from simplevoice.cli.target import Target, target_options
from simplevoice.types import (
    AUDIO_FORMATS,
    INPUT_FORMATS,
    LANGUAGES,
    VOICE_TYPES,
    AudioFormat,
    InputFormat,
    Language,
    VoiceType,
)

if TYPE_CHECKING:
    from simplevoice.client import Opening

CONTAINERS: dict[str, InputFormat] = {
    **{f".{name}": name for name in INPUT_FORMATS},
    ".mp4": "m4a",
    ".oga": "ogg",
    ".opus": "ogg",
    ".weba": "webm",
}
"""The container that a file's name promises; the daemon looks at the bytes."""


class Utterance(msgspec.Struct, frozen=True):
    """What to send: the bytes of a recording, a file that holds one, or a text."""

    label: str
    path: Path | None = None
    audio: bytes | None = None
    text: str | None = None

    @property
    def container(self) -> InputFormat | None:
        """Tell the container by the name, None when it tells nothing."""
        return CONTAINERS.get(self.path.suffix.lower()) if self.path else None


class Plan(msgspec.Struct, frozen=True):
    """Where to talk, what to ask for, and what to do with the answers."""

    daemon: Target
    opening: "Opening"
    binary: bool
    turn_seconds: float
    save: bool
    target: Path | None
    player: str | None
    raw: bool


@click.command()
@click.option(
    "--file", "files", multiple=True, metavar="FILE", help="Recording or folder of some; - is standard input."
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    help="Typed turn, sent after the files; - is a turn for each line of standard input.",
)
@click.option(
    "--headset", is_flag=True, help="The microphone doesn't hear the loudspeakers: speech interrupts replies."
)
@click.option("--language", type=click.Choice(LANGUAGES), help="Language spoken; the daemon's default otherwise.")
@click.option("--voice-type", type=click.Choice(VOICE_TYPES), help="Voice of the answer.")
@click.option("--format", "audio_format", type=click.Choice(AUDIO_FORMATS), help="Audio format of the answer.")
@click.option(
    "-o", "--save", "target", type=click.Path(path_type=Path), metavar="DIR|FILE", help="Where answers are saved."
)
@click.option("--play", is_flag=True, help="Play answers instead of saving them; with --save both.")
@click.option("--json", "raw", is_flag=True, help="Print the daemon's messages, one a line; save only with --save.")
@click.option("--binary", is_flag=True, help="Send recordings as binary messages, not as base64 in JSON.")
@click.option("--session-id", help="Conversation to go on with.")
@click.option("--connection-id", help="Name of the connection.  [default: a new one]")
@click.option(
    "--timeout",
    "turn_seconds",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    metavar="SECONDS",
    default=90,
    show_default=True,
    help="How long an answer may take.",
)
@target_options
def talk(
    files: tuple[str, ...],
    texts: tuple[str, ...],
    headset: bool,
    language: Language | None,
    voice_type: VoiceType | None,
    audio_format: AudioFormat | None,
    target: Path | None,
    play: bool,
    raw: bool,
    binary: bool,
    session_id: str | None,
    connection_id: str | None,
    turn_seconds: float,
    daemon: Target,
) -> int:
    """Talk with a running daemon: by microphone, or with recordings or text.

    Without --file and --text the conversation is hands-free, until ctrl-C. While a reply is played the microphone is
    deaf, so that it doesn't answer itself; space stops the reply. With --headset just speak, and the reply stops.
    This needs the extra that brings sounddevice: pip install 'simplevoice[audio]'.

    With --file or --text everything of one call is one conversation: a turn after the other, on one connection. Each
    answer is saved as reply-1.mp3, reply-2.mp3 and so on in the current folder, taking the next number that is free;
    --save says another folder, or a file for a single answer, whose name tells the format. The exit code is 1 when a
    turn got no answer.

    \b
    Examples:
      simplevoice talk --language en
      simplevoice talk --file question.wav --language en
      simplevoice talk --text "What is the capital of Egypt?" --language en --play
      simplevoice talk --file recordings/ --save answers/
      arecord -d 5 -f cd | simplevoice talk --file - --play
    """
    chosen = {
        "connection_id": connection_id or f"talk-{uuid.uuid4().hex[:12]}",
        "session_id": session_id,
        "language": language,
        "voice_type": voice_type,
    }
    if not (files or texts):
        only_for_turns = {"--format": audio_format, "--save": target, "--play": play, "--binary": binary}
        return _live(daemon, chosen, headset, raw, [name for name, value in only_for_turns.items() if value])
    if headset:
        raise click.UsageError("--headset is for talking by microphone, without --file and --text.")
    utterances = _utterances(files, texts)
    if not utterances:
        raise click.UsageError("nothing to say: standard input has no text.")
    if target is not None and not target.is_dir() and len(utterances) > 1:
        raise click.UsageError(f"--save {target} is no folder, and there are {len(utterances)} answers to save.")
    player = find_player() if play else None
    audio_format = audio_format or format_of(target)
    if player:
        audio_format = playable_format(player, audio_format)
    opening = {
        **chosen,
        "audio_format": audio_format,
        "turn_detection": "none",
        "response_mode": "complete",
    }
    plan = Plan(
        daemon=daemon,
        opening=_opening(opening),
        binary=binary,
        turn_seconds=turn_seconds,
        save=target is not None or not (play or raw),
        target=target,
        player=player,
        raw=raw,
    )
    from simplevoice.cli.talking import talk_through  # aiohttp takes longer to import than --help may take

    return asyncio.run(talk_through(plan, utterances))


def _opening(chosen: Mapping[str, str | None]) -> "Opening":
    return cast("Opening", {name: value for name, value in chosen.items() if value is not None})


def _live(daemon: Target, chosen: Mapping[str, str | None], headset: bool, raw: bool, unfit: Sequence[str]) -> int:
    """Talk by microphone until ctrl-C or SIGTERM, which are how it ends."""
    if unfit:
        raise click.UsageError(f"{unfit[0]} needs --file or --text.")
    from simplevoice.cli.live import LivePlan, talk_live  # aiohttp takes longer to import than --help may take
    from simplevoice.cli.sound_device import default_device

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(talk_live(LivePlan(daemon, _opening(chosen), headset, raw), default_device()))
    return 0


def _utterances(files: tuple[str, ...], texts: tuple[str, ...]) -> list[Utterance]:
    found = [utterance for name in files for utterance in _from_file(name)]
    lines = [line for text in texts for line in (_lines() if text == "-" else [text])]
    return found + [Utterance(label=f'"{textwrap.shorten(text, 40)}"', text=text) for text in lines]


def _lines() -> list[str]:
    """Read a turn from each line of standard input that isn't blank."""
    return [line for line in sys.stdin.read().splitlines() if line.strip()]


def _from_file(name: str) -> list[Utterance]:
    if name == "-":
        return [Utterance(label="standard input", audio=sys.stdin.buffer.read())]
    path = Path(name)
    if not path.is_dir():
        if not path.exists():
            raise click.UsageError(f"there is no file {name}.")
        return [Utterance(label=path.name, path=path)]
    recordings = sorted(file for file in path.iterdir() if file.suffix.lower() in CONTAINERS)
    if not recordings:
        raise click.UsageError(f"{name} holds no recording: {', '.join(CONTAINERS)}.")
    return [Utterance(label=file.name, path=file) for file in recordings]
