import re
import subprocess
from pathlib import Path

import pytest

from tests.figures.report import PAGE, Section, table

PAGE_OF_TWO = "# Title\n\n<!-- soak -->\nold\n<!-- /soak -->\n\n## Next\n<!-- chaos -->\n<!-- /chaos -->\n"


def test_a_command_writes_its_own_section_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE_OF_TWO)
    section = Section("soak", "make soak", page)
    for figures in ("first\n", "\nsecond"):
        section.write(figures)
    before, after = PAGE_OF_TWO.split("old\n")
    assert page.read_text() == f"{before}{section.facts}.\n\nsecond\n{after}"


def test_the_figures_tell_where_they_come_from() -> None:
    number = r"\d+(\.\d+)*"
    origin = r"`make soak`, \d{4}-\d\d-\d\d, commit \w+(\+changes)?, "
    machine = rf"{number} cores, {number} GiB, Python {number}, load {number} at the beginning"
    assert re.fullmatch(origin + machine, Section("soak", "make soak").facts)


def test_figures_are_no_change_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "docs" / "reliability.md"
    page.parent.mkdir()
    page.write_text("before")
    for command in ("init -q", "add .", "-c user.name=a -c user.email=b commit -qm c"):
        subprocess.run(["git", "-C", str(tmp_path), *command.split()], check=True)
    monkeypatch.setattr("tests.figures.report.ROOT", tmp_path)
    page.write_text("after")
    assert "+changes" not in Section("soak", "make soak", page).facts
    (tmp_path / "other").touch()
    assert "+changes" in Section("soak", "make soak", page).facts


@pytest.mark.parametrize("page", ["", "<!-- soak -->\nno end", "<!-- /soak -->"])
def test_a_section_that_the_page_has_not_is_an_error(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(ValueError, match="no section soak"):
        Section("soak", "make soak", path).write("figures")
    assert path.read_text() == page


@pytest.mark.parametrize("name", ["soak", "hold", "chaos", "fuzz", "bad-input"])
def test_the_page_has_a_section_for_every_command(name: str) -> None:
    assert re.search(rf"^<!-- {name} -->\n(.*\n)*?<!-- /{name} -->$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_a_table_is_aligned_and_keeps_bars_out_of_the_columns() -> None:
    assert table(["a", "figure"], [["x|y", 1], ["z", 22]]) == (
        "| a    | figure |\n| ---- | ------ |\n| x\\|y | 1      |\n| z    | 22     |\n"
    )
