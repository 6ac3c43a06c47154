"""``simplevoice say`` with the real local voice."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from simplevoice.cli import main
from simplevoice.cli.sound import wav
from simplevoice.client import Delivery
from simplevoice.protocol import SpeakRequest
from simplevoice.speech.codec import decode
from tests.fakes.daemon import TOKEN, FakeDaemon


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands save into an empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["say", "--engine", "espeak", *args], input=stdin)


@pytest.mark.parametrize(("language", "text"), [("en", "Good morning to you"), ("ar", "صباح الخير")])
def test_speech_is_saved(folder: Path, language: str, text: str) -> None:
    result = say(text, "--language", language)
    assert result.exit_code == 0, result.stderr
    path, _, rest = result.stdout.strip().partition(", ")
    assert path == "speech-1.mp3"
    assert rest.endswith(" s of mp3 by espeak")
    spoken = decode((folder / path).read_bytes(), max_seconds=10)
    assert len(spoken) > 500
    assert spoken.dBFS > -40


def test_a_text_from_standard_input_goes_to_the_named_file(folder: Path) -> None:
    result = say("-", "--language", "en", "--format", "wav", "--save", "out.wav", stdin="good morning")
    assert result.stdout.startswith("out.wav, ")
    assert len(decode((folder / "out.wav").read_bytes(), max_seconds=10)) > 300


def test_the_configuration_decides_what_was_not_said(folder: Path) -> None:
    (folder / "my.toml").write_text('[conversation]\nlanguage = "en"\n[tts]\nengine = "espeak"\n')
    result = CliRunner().invoke(main, ["say", "hello", "--config", "my.toml"])
    assert result.exit_code == 0, result.stderr
    assert "by espeak" in result.stdout


def test_play_saves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bin").mkdir()
    player = folder / "bin" / "mpv"
    player.write_text(f"#!/bin/sh\necho played > {folder}/played\n")
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))
    assert say("hello", "--language", "en", "--play").exit_code == 0
    assert (folder / "played").exists()
    assert not list(folder.glob("speech-*"))


def test_a_text_without_words_fails_in_one_line() -> None:
    result = say("...")
    assert (result.exit_code, result.stderr) == (1, "error: the text has nothing to pronounce\n")


def test_a_wrong_setting_is_exit_code_2(folder: Path) -> None:
    (folder / "my.toml").write_text("[tts]\nengine = 5\n")
    result = say("hello", "--config", "my.toml")
    assert result.exit_code == 2
    assert result.stderr == "error: tts.engine, from my.toml, is 5; it must be one of edge, espeak, piper\n"


def test_a_voice_is_chosen_by_its_name(folder: Path) -> None:
    result = CliRunner().invoke(main, ["say", "Good morning", "--voice", "en-us+m3", "-o", "out.mp3"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("by espeak\n")
    assert len(decode((folder / "out.mp3").read_bytes(), max_seconds=10)) > 300


def test_a_voice_says_the_rest_itself() -> None:
    result = say("hello", "--voice", "en-us+m3")
    assert result.exit_code == 2
    assert "--voice says the language, the kind of voice and the engine already." in result.stderr


def test_the_name_of_the_file_tells_the_format(folder: Path) -> None:
    assert "s of wav by espeak" in say("hello", "--language", "en", "-o", "out.wav").stdout
    assert (folder / "out.wav").read_bytes()[:4] == b"RIFF"


def test_a_daemon_speaks(folder: Path) -> None:
    token = folder / "token"
    token.write_text(TOKEN)
    samples = wav(b"\x10\x00\xf0\xff" * 12_000, 24_000)
    with FakeDaemon().running() as daemon:
        daemon.token, daemon.speech = TOKEN, samples
        options = (
            "--url",
            daemon.url,
            "--token-file",
            str(token),
            "--voice",
            "ar-SA-HamedNeural",
            "--voice-type",
            "male",
        )
        result = CliRunner().invoke(main, ["say", "صباح الخير", "--language", "ar", "-o", "out.wav", *options])
        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"out.wav, 1.0 s of wav by {daemon.url}\n"
        assert (folder / "out.wav").read_bytes() == samples
        wanted: Delivery = {"language": "ar", "voice_type": "male", "voice": "ar-SA-HamedNeural", "audio_format": "wav"}
        assert daemon.scripts == [SpeakRequest(text="صباح الخير", **wanted)]
        refused = CliRunner().invoke(main, ["say", "hello", "--url", daemon.url])
        assert (refused.exit_code, len(daemon.scripts)) == (1, 1)
        assert "the daemon wants a valid token: use --token-file" in refused.stderr


def test_what_is_not_said_is_the_daemons_to_choose(folder: Path) -> None:
    with FakeDaemon().running() as daemon:
        daemon.speech = bytes(48_000)
        result = CliRunner().invoke(main, ["say", "-", "--format", "pcm16", "--url", daemon.url], input="hello")
        assert result.stdout.startswith("speech-1.wav, 1.0 s of pcm16 by")
        assert daemon.scripts == [SpeakRequest(text="hello", audio_format="pcm16")]
    assert decode((folder / "speech-1.wav").read_bytes(), max_seconds=2).duration_seconds == 1.0


def test_a_daemon_chooses_its_engine() -> None:
    result = say("hello", "--url", "ws://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--engine is the daemon's to choose." in result.stderr
