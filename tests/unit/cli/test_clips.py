"""The recordings of a folder."""

import shutil
from pathlib import Path

import click
import pytest

from simplevoice.cli.clips import read_clips
from simplevoice.errors import AudioError
from tests.media import DATA


def test_clips_are_read_by_name_each_in_its_language(tmp_path: Path) -> None:
    for name in ("en-1.WAV", "ar-2.wav", "other.wav"):
        shutil.copy(DATA / "en-LJ042-0094.wav", tmp_path / name)
    (tmp_path / "notes.txt").write_text("no clip")
    clips = read_clips(tmp_path, "ar")
    assert [(clip.name, clip.language) for clip in clips] == [
        ("ar-2.wav", "ar"),
        ("en-1.WAV", "en"),
        ("other.wav", "ar"),
    ]
    assert len(clips[0].pcm) == pytest.approx(3.55 * 32_000, rel=0.05)


def test_a_folder_without_clips_is_told(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="no wav, mp3, m4a"):
        read_clips(tmp_path, "en")


def test_what_cannot_be_decoded_is_an_audio_error(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"nonsense")
    with pytest.raises(AudioError):
        read_clips(tmp_path, "en")
