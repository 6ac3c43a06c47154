"""``simplevoice voices`` with the real engines: what is listed, and which voice is in use."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simplevoice.cli import main
from simplevoice.speech.codec import decode


def voices(tmp_path: Path, **environ: str) -> list[dict[str, Any]]:
    """List the voices with no weights on the machine."""
    environ = {"SIMPLEVOICE_MODELS_DIR": str(tmp_path), **environ}
    result = CliRunner().invoke(main, ["voices", "--json"], env=environ)
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def in_use(rows: list[dict[str, Any]]) -> dict[str, set[str]]:
    return {use: {row["engine"] for row in rows if row["use"] == use} for use in ("speaks", "stands in")}


def test_every_language_and_type_has_one_that_speaks(tmp_path: Path) -> None:
    rows = voices(tmp_path)
    speaking = {(row["language"], row["voice_type"]) for row in rows if row["use"] == "speaks"}
    assert speaking == {(language, kind) for language in ("ar", "en") for kind in ("female", "male")}
    assert {row["name"] for row in rows if row["engine"] == "edge"} >= {"ar-SA-ZariyahNeural", "en-US-GuyNeural"}


def test_edge_speaks_and_espeak_stands_in_by_default(tmp_path: Path) -> None:
    assert in_use(voices(tmp_path)) == {"speaks": {"edge"}, "stands in": {"espeak"}}


def test_a_voice_without_weights_is_not_in_use(tmp_path: Path) -> None:
    rows = voices(tmp_path, SIMPLEVOICE_TTS_ENGINE="piper")
    assert in_use(rows) == {"speaks": {"espeak"}, "stands in": set()}
    assert {row["present"] for row in rows if row["engine"] == "piper"} == {False}


def test_the_table_shows_one_language(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["voices", "--language", "ar"], env={"SIMPLEVOICE_MODELS_DIR": str(tmp_path)})
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "language gender engine name here use"
    assert "Arabic female edge ar-SA-ZariyahNeural network speaks" in lines
    assert not any("English" in line for line in lines)


def test_a_voice_speaks_into_a_file(tmp_path: Path) -> None:
    target = tmp_path / "sample.mp3"
    result = CliRunner().invoke(main, ["voices", "--play", "ar+m3", "-o", str(target)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith(" s of mp3 by espeak\n")
    assert len(decode(target.read_bytes(), max_seconds=20)) > 1000


def test_a_voice_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aplay").write_text(f"#!/bin/sh\necho played > {tmp_path}/played\n")
    (tmp_path / "aplay").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["voices", "--play", "en-us+f5"])
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"aplay", "played"}


def test_saving_needs_a_voice() -> None:
    assert "--save needs --play NAME." in CliRunner().invoke(main, ["voices", "-o", "a.mp3"]).stderr


@pytest.mark.parametrize("name", ["SIMPLEVOICE_TTS_ENGIN"])
def test_a_misspelled_variable_is_exit_code_2(name: str) -> None:
    result = CliRunner().invoke(main, ["voices"], env={name: "x"})
    assert result.exit_code == 2
    assert "did you mean SIMPLEVOICE_TTS_ENGINE?" in result.stderr
