"""The audio of an answer: saved as a file that players know, or played."""

import io
import shutil
import subprocess
import tempfile
import wave
from contextlib import suppress
from pathlib import Path

import click

from simplevoice.types import OUTPUT_SAMPLE_RATE, AudioFormat

EXTENSIONS: dict[AudioFormat, str] = {"mp3": "mp3", "wav": "wav", "pcm16": "wav", "opus": "opus"}
"""Bare samples are saved as WAV, which players can open."""

FORMATS: dict[str, AudioFormat] = {".mp3": "mp3", ".wav": "wav", ".opus": "opus", ".ogg": "opus"}

PLAYERS = {
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error"),
    "mpv": ("--no-video", "--really-quiet"),
    "afplay": (),
    "paplay": (),
    "aplay": ("--quiet",),
}
"""Tried in this order."""

WAV_ONLY = frozenset({"paplay", "aplay"})
PLAY_GRACE_SECONDS = 10.0
FREE_NAMES = 10_000


def find_player() -> str:
    """Return the name of a player that is installed, or raise a usage error that names those that would do."""
    for name in PLAYERS:
        if shutil.which(name):
            return name
    raise click.UsageError(f"--play needs one of {', '.join(PLAYERS)} on PATH; none is there.")


def playable_format(player: str, chosen: AudioFormat | None) -> AudioFormat | None:
    """Return the format to ask for: the chosen one, or WAV for a player that plays nothing else."""
    if player not in WAV_ONLY:
        return chosen
    if chosen in (None, "wav", "pcm16"):
        return chosen or "wav"
    raise click.UsageError(f"{player} plays only WAV: leave --format out, or say --format wav.")


def format_of(target: Path | None) -> AudioFormat | None:
    """Tell the format that a file's name promises; None where there is none, or it promises nothing."""
    return FORMATS.get(target.suffix.lower()) if target else None


def save(audio: bytes, audio_format: AudioFormat, target: Path | None, stem: str = "reply") -> Path:
    """Write the audio and return where: to a file, or as <stem>-<n> into a folder, the current one by default.

    A named file is replaced; a numbered one takes the first number that is free. Blocks. Raises OSError.
    """
    content = playable(audio, audio_format)
    if target is not None and not target.is_dir():
        target.write_bytes(content)
        return target
    folder = target or Path()
    for number in range(1, FREE_NAMES):
        path = folder / f"{stem}-{number}.{EXTENSIONS[audio_format]}"
        with suppress(FileExistsError), path.open("xb") as file:
            file.write(content)
            return path
    raise FileExistsError(f"{folder} has {FREE_NAMES - 1} files named {stem} already")


def playable(audio: bytes, audio_format: AudioFormat) -> bytes:
    """Give bare samples a WAV header; everything else is a file already."""
    return wav(audio, OUTPUT_SAMPLE_RATE) if audio_format == "pcm16" else audio


def wav(samples: bytes, rate: int) -> bytes:
    """Make a WAV file of mono 16-bit samples; ``rate`` in Hz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)
    return file.getvalue()


def play(player: str, audio: bytes, audio_format: AudioFormat, duration_ms: int) -> None:
    """Play to the end; a player that hangs is ended. Blocks. Raises ClickException when it fails."""
    with tempfile.TemporaryDirectory(prefix="simplevoice-") as folder:
        path = save(audio, audio_format, Path(folder))
        try:
            subprocess.run(  # noqa: S603 - one of PLAYERS, with a path made here
                [player, *PLAYERS[player], path],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=duration_ms / 1000 + PLAY_GRACE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise click.ClickException(f"{player} did not come to an end") from None
        except subprocess.CalledProcessError as error:
            raise click.ClickException(f"{player} failed with exit code {error.returncode}") from None
