import json
from pathlib import Path

import msgspec
import pytest
from matplotlib.figure import Figure

from tests.benchmarks import __main__ as bench
from tests.benchmarks.overview import HEADLINES, Standing, draw_overview, headlines
from tests.benchmarks.result import Check, Result, Row, quantile, side_by_side

FAST = Row("a thing", "ms", ours=[1, 2, 9], yardstick=[4, 4, 6], most=0.5)
SLOW = Row("a thing", "ms", ours=[1, 2, 9], yardstick=[4, 4, 6], most=0.5, at=0.99)


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.5, 2), (0.75, 3), (0.76, 4), (1, 4)])
def test_a_quantile_is_a_sample(share: float, expected: float) -> None:
    assert quantile([4, 2, 1, 3], share) == expected


def test_a_row_is_judged_at_its_quantile() -> None:
    assert (FAST.ratio, FAST.met) == (0.5, True)
    assert (SLOW.ratio, SLOW.met) == (1.5, False)


def test_what_falls_short_is_said() -> None:
    result = Result([FAST, SLOW], [Check("none lost", "1 of 8", met=False)])
    assert not result.met
    assert [line.split("|")[-2].strip() for line in result.table().splitlines()[2:]] == ["yes", "**no**", "**no**"]
    assert Result([FAST], [Check("none lost", "0 of 8", met=True)]).met


def test_where_nothing_is_judged_there_is_no_table() -> None:
    assert Result(details="a profile").table() == ""
    assert Result(details="a profile").met


async def test_both_sides_are_measured_in_turns_and_each_begins_as_often() -> None:
    order = ""

    async def ours() -> float:
        nonlocal order
        order += "o"
        return 1

    async def yardstick() -> float:
        nonlocal order
        order += "y"
        return 2

    assert await side_by_side(ours, yardstick, 4) == ([1] * 4, [2] * 4)
    assert order == "oyyooyyo"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "benchmarks.md"
    path.write_text(bench.PAGE.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(bench, "PAGE", path)
    monkeypatch.setattr(bench, "PICTURES", tmp_path / "benchmarks")
    monkeypatch.setattr(bench, "STANDINGS", tmp_path / "benchmarks" / "standings.json")
    readme = tmp_path / "README.md"
    readme.write_text(bench.README.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(bench, "README", readme)
    return path


async def test_a_run_writes_its_section_the_overview_and_the_pictures(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> Result:
        return Result([FAST], details="More of it.", draw=lambda figure: draw_overview(figure, {}))

    monkeypatch.setattr("tests.benchmarks.decoding.run", run)
    assert await bench.command(["decoding"])
    text = page.read_text("utf-8")
    assert text.count("| a thing") == 2
    assert "More of it.\n\n![decoding](benchmarks/decoding.svg)" in text
    assert json.loads(bench.STANDINGS.read_text())["decoding"]["lines"][0]["ratio"] == 0.5
    assert {path.name for path in bench.PICTURES.glob("*.svg")} == {"decoding.svg", "overview.svg"}


@pytest.mark.parametrize("name", ["overview", *bench.BENCHES])
def test_the_page_has_a_section_for_every_benchmark(name: str) -> None:
    page = bench.PAGE.read_text("utf-8")
    assert f"<!-- {name} -->\n" in page
    assert f"<!-- /{name} -->\n" in page
    assert name == "overview" or f"\n## {name}\n" in page


async def test_a_run_writes_the_rows_that_the_readme_shows(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> Result:
        return Result([msgspec.structs.replace(FAST, what="start to ready"), SLOW])

    monkeypatch.setattr("tests.benchmarks.starting.run", run)
    await bench.command(["starting"])
    shown = bench.README.read_text("utf-8").partition("<!-- figures -->\n")[2].partition("<!-- /figures -->")[0]
    row = next(line for line in shown.splitlines() if "(docs/benchmarks.md#starting)" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "start until it is ready",
        "2 / 9 ms",
        "4 / 6 ms",
        "[loading the same Whisper alone](docs/benchmarks.md#starting)",
        "0.50",
    ]


def test_the_readme_shows_what_the_page_has() -> None:
    standings = msgspec.json.decode(bench.STANDINGS.read_bytes(), type=dict[str, Standing])
    rows = headlines(standings)
    assert rows.count("](docs/benchmarks.md#") == len(HEADLINES), "a row has another name now"
    assert rows in bench.README.read_text("utf-8")


def test_the_overview_draws_rows_that_have_a_ratio() -> None:
    figure = Figure()
    lines = Result([FAST, SLOW], [Check("none lost", "0", met=True)]).lines
    draw_overview(figure, {"one": Standing("", lines)})
    assert len(figure.axes[0].patches) == 2
