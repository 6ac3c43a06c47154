"""``simplevoice voices`` with the real engines: what is listed, and which voice is in use."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simplevoice.cli import main


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
    assert lines[0] == "language voice engine name here use"
    assert "Arabic female edge ar-SA-ZariyahNeural network speaks" in lines
    assert not any("English" in line for line in lines)


@pytest.mark.parametrize("name", ["SIMPLEVOICE_TTS_ENGIN"])
def test_a_misspelled_variable_is_exit_code_2(name: str) -> None:
    result = CliRunner().invoke(main, ["voices"], env={name: "x"})
    assert result.exit_code == 2
    assert "did you mean SIMPLEVOICE_TTS_ENGINE?" in result.stderr
