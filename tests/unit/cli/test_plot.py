"""Pictures of measurements."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
from PIL import Image

from simplevoice.cli.plot import Picture, draw, plot_path

COMMAND = click.Command("load", params=[click.Option(["--plot"])])
PICTURE = Picture(
    "a title",
    {"one client": [400.0, 500.0, 520.0], "2 clients": [600.0, 900.0], "none answered": []},
    {"a.wav": {"endpoint": 300.0, "transcribe": 350.0, "first_audio": 420.0}, "b.wav": {}},
)


def chosen(path: Path | None) -> Path | None:
    return plot_path(click.Context(COMMAND), COMMAND.params[0], path)


def test_a_png_is_a_picture_with_something_on_it(tmp_path: Path) -> None:
    draw(PICTURE, tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(2**24) or []) > 10


def test_an_svg_is_xml(tmp_path: Path) -> None:
    draw(PICTURE, tmp_path / "p.svg")
    assert ET.parse(tmp_path / "p.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_nothing_answered_is_an_empty_picture(tmp_path: Path) -> None:
    draw(Picture("nothing", {}, {"a.wav": {}}), tmp_path / "p.png")
    assert (tmp_path / "p.png").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="the picture can't be written"):
        draw(PICTURE, tmp_path / "missing" / "p.png")


def test_what_cannot_be_drawn_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(None) is None
    assert chosen(Path("a.SVG")) == Path("a.SVG")
    with pytest.raises(click.BadParameter, match=r"a\.jpg is neither \.png nor \.svg"):
        chosen(Path("a.jpg"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(click.BadParameter, match=r"pip install 'simplevoice\[plot\]'"):
        chosen(Path("a.png"))
