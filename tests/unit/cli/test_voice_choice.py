"""A voice by its name."""

from pathlib import Path

import click
import msgspec
import pytest

from simplevoice.cli.voice_choice import complete_voice, find_voice
from simplevoice.config import Config

COMMAND = click.Command("say", params=[click.Option(["--voice"])])


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """No weights on the machine."""
    return Config(models=msgspec.structs.replace(Config().models, dir=str(tmp_path)))


def complete(begun: str) -> list[str]:
    return [item.value for item in complete_voice(click.Context(COMMAND), COMMAND.params[0], begun)]


def test_a_voice_is_found(config: Config) -> None:
    voice = find_voice(config, "ar+m3")
    assert (voice.engine, voice.language, voice.voice_type) == ("espeak", "ar", "male")


def test_those_that_there_are_are_told(config: Config) -> None:
    with pytest.raises(click.UsageError, match=r"no voice 'tenor'; there are .*ar-SA-ZariyahNeural.*en-us\+m3"):
        find_voice(config, "tenor")


def test_a_voice_without_weights_says_how_to_get_them(config: Config) -> None:
    with pytest.raises(click.UsageError, match="simplevoice models pull piper-ar-male"):
        find_voice(config, "piper-ar-male")


def test_names_are_completed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMPLEVOICE_MODELS_DIR", str(tmp_path))
    assert complete("ar-SA") == ["ar-SA-ZariyahNeural", "ar-SA-HamedNeural"]
    assert complete("piper") == []
    monkeypatch.setenv("SIMPLEVOICE_TTS_ENGINE", "nonsense")
    assert complete("ar") == []
