"""Saving and playing answers."""

import io
import wave
from pathlib import Path

import click
import pytest

from simplevoice.cli import sound
from simplevoice.cli.sound import find_player, format_of, play, playable_format, save, wav


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_answers_take_the_next_free_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reply-1.mp3").write_bytes(b"older")
    assert [save(b"x", "mp3", None), save(b"y", "opus", None)] == [Path("reply-2.mp3"), Path("reply-1.opus")]
    assert (tmp_path / "reply-1.mp3").read_bytes() == b"older"
    assert (tmp_path / "reply-2.mp3").read_bytes() == b"x"


def test_a_folder_is_filled_and_a_file_replaced(tmp_path: Path) -> None:
    target = tmp_path / "answer.mp3"
    target.write_bytes(b"older")
    assert save(b"x", "mp3", target) == target
    assert target.read_bytes() == b"x"
    assert save(b"x", "mp3", tmp_path, "speech") == tmp_path / "speech-1.mp3"


def test_a_folder_that_is_full_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "FREE_NAMES", 2)
    save(b"x", "mp3", tmp_path)
    with pytest.raises(FileExistsError, match="has 1 files named reply already"):
        save(b"x", "mp3", tmp_path)


def test_bare_samples_become_a_wav(tmp_path: Path) -> None:
    path = save(b"\x01\x02" * 240, "pcm16", tmp_path)
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.readframes(1000) == b"\x01\x02" * 240


def test_find_player_takes_the_first(programs: Path) -> None:
    with pytest.raises(click.UsageError, match="--play needs one of ffplay, mpv,"):
        find_player()
    install(programs, "aplay", "")
    assert find_player() == "aplay"
    install(programs, "mpv", "")
    assert find_player() == "mpv"


def test_a_player_of_wav_gets_wav() -> None:
    assert playable_format("mpv", None) is None
    assert playable_format("aplay", None) == "wav"
    assert playable_format("aplay", "pcm16") == "pcm16"
    with pytest.raises(click.UsageError, match="aplay plays only WAV"):
        playable_format("aplay", "mp3")


def test_play_hands_the_audio_over_and_leaves_no_file(programs: Path, tmp_path: Path) -> None:
    install(
        programs, "aplay", f'echo "$2" > {tmp_path}/path; IFS= read -r line < "$2"; echo "$line" > {tmp_path}/heard'
    )
    play("aplay", b"sound\n", "mp3", 100)
    assert (tmp_path / "heard").read_text() == "sound\n"
    assert not Path((tmp_path / "path").read_text().strip()).exists()


def test_a_player_that_fails_is_an_error(programs: Path) -> None:
    install(programs, "aplay", "exit 3")
    with pytest.raises(click.ClickException, match="aplay failed with exit code 3"):
        play("aplay", b"x", "wav", 100)


def test_a_player_that_hangs_is_ended(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "PLAY_GRACE_SECONDS", 0.05)
    install(programs, "aplay", "exec /bin/sleep 20")
    with pytest.raises(click.ClickException, match="aplay did not come to an end"):
        play("aplay", b"x", "wav", 0)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.MP3", "mp3"), ("a.wav", "wav"), ("a.ogg", "opus"), ("answers", None), (None, None)]
)
def test_a_name_promises_a_format(name: str | None, kind: str | None) -> None:
    assert format_of(Path(name) if name else None) == kind


def test_wav_is_mono_of_its_rate() -> None:
    with wave.open(io.BytesIO(wav(b"\1\2" * 16, 16_000))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 16_000, 16)
