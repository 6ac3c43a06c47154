"""How far a measurement is."""

import pytest

from simplevoice.cli.progress import counting


def test_nothing_is_drawn_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("turns", 2) as count:
        count()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with counting("turns", 2) as count:
        count()
    assert "1/2" in capsys.readouterr().err
