"""The targets hold for what they begin with, and what a fuzzer finds is seen."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import Run, describe, judge, run
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())
    assert seeds
    for seed in seeds:
        assert len(seed) <= target.max_bytes
        target.feed(seed)
        if target.repair is not None and name == "recording":
            assert target.repair(seed) == seed


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_target_takes_what_becomes_of_them(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    changed = bytearray(data.draw(st.sampled_from(range(5)).map(lambda n: list(target.seeds())[n % 2])))
    for at, patch in data.draw(st.lists(st.tuples(st.floats(0, 0.99), st.binary(max_size=8)), max_size=6)):
        start = int(len(changed) * at)
        changed[start : start + len(patch)] = patch
    target.feed(bytes(changed) if target.repair is None else target.repair(bytes(changed)))


FED = "print('stat::number_of_executed_units: 1234'); print('stat::peak_rss_mb:              56')"
FINDS = "import pathlib, sys; [pathlib.Path(a[17:], 'crash-1').touch() for a in sys.argv if a.startswith('-artifact')]"


async def attempt(tmp_path: Path, program: str, seconds: float = 5) -> Run:
    return await run("sniffer", TARGETS["sniffer"], seconds, tmp_path / "found", (sys.executable, "-c", program))


async def test_a_run_without_a_finding_is_counted(tmp_path: Path) -> None:
    good = await attempt(tmp_path, FED)
    assert (good.failed, good.inputs, good.memory_mib, good.findings) == (False, 1234, 56, ())
    assert judge([good]).passed
    assert "1,234" in describe([good])


@pytest.mark.parametrize(
    "program",
    [f"{FED}; {FINDS}; sys.exit(77)", f"{FED}; {FINDS}", f"{FED}; import os; os.abort()", f"{FED}; exit(1)", "pass"],
    ids=["reports and exits", "reports", "is killed", "fails", "does nothing"],
)
async def test_a_run_that_goes_wrong_is_not_passed(tmp_path: Path, program: str) -> None:
    assert not judge([await attempt(tmp_path, program)]).passed


async def test_what_was_found_before_is_not_found_again(tmp_path: Path) -> None:
    first = await attempt(tmp_path, f"{FED}; {FINDS}")
    assert [Path(found).name for found in first.findings] == ["crash-1"]
    assert (await attempt(tmp_path, FED)).findings == ()
