"""What ``say`` does, without its options."""

from pathlib import Path
from typing import Any

import click
import pytest

from simplevoice.cli import speaking
from simplevoice.cli.speaking import Order, speak
from simplevoice.config import Config, TtsConfig
from simplevoice.errors import SpeechError
from simplevoice.speech.codec import decode

ESPEAK = Config(tts=TtsConfig(engine="espeak"))


def order(target: Path, **changes: Any) -> Order:
    facts: dict[str, Any] = {
        "text": "good morning",
        "language": "en",
        "voice_type": "male",
        "audio_format": "wav",
        "save": True,
        "target": target,
        "player": None,
    }
    return Order(**facts | changes)


async def test_says_where_the_speech_went_how_long_it_is_and_who_spoke(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.wav"
    await speak(ESPEAK, order(target))
    seconds = len(decode(target.read_bytes(), max_seconds=10)) / 1000
    assert capsys.readouterr().out.split(", ")[-1] == f"{seconds:.1f} s of wav by espeak\n"


async def test_what_is_only_played_is_not_saved(tmp_path: Path) -> None:
    await speak(ESPEAK, order(tmp_path / "out.wav", save=False))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="the speech can't be saved"):
        await speak(ESPEAK, order(tmp_path / "missing" / "out.wav"))


async def test_speech_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "SPEAK_SECONDS", 0.0)
    with pytest.raises(SpeechError, match="no speech within 0 s"):
        await speak(ESPEAK, order(tmp_path / "out.wav"))
