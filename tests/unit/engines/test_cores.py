from pathlib import Path

import pytest

from simplevoice.engines import cores as module
from simplevoice.engines.cores import count_cores, recognition_threads, reply_threads


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a machine of 64 cores with a process in the cgroup ``/system.slice/voice.service``; gives its folder."""
    own = tmp_path / "cgroup"
    own.write_text("1:cpu:/elsewhere\n0::/system.slice/voice.service\n")
    folder = tmp_path / "sys" / "system.slice" / "voice.service"
    folder.mkdir(parents=True)
    monkeypatch.setattr(module, "OWN_CGROUP", own)
    monkeypatch.setattr(module, "CGROUPS", tmp_path / "sys")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    return folder


def test_those_that_the_process_is_bound_to(machine: Path) -> None:
    assert count_cores() == 64


def test_a_system_without_bounds(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert count_cores() == 1


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 64),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("9900000 100000", 64),
        ("", 64),
    ],
)
def test_no_more_than_the_quota(machine: Path, quota: str, expected: int) -> None:
    (machine / "cpu.max").write_text(quota)
    assert count_cores() == expected


def test_the_quota_of_a_slice_holds_for_what_is_in_it(machine: Path) -> None:
    (machine / "cpu.max").write_text("800000 100000")
    (machine.parent / "cpu.max").write_text("300000 100000")
    assert count_cores() == 3


@pytest.mark.parametrize("told", [None, "1:cpu:/elsewhere\n"])
def test_a_system_without_such_cgroups(machine: Path, told: str | None) -> None:
    (machine / "cpu.max").write_text("200000 100000")
    if told is None:
        module.OWN_CGROUP.unlink()
    else:
        module.OWN_CGROUP.write_text(told)
    assert count_cores() == 64


@pytest.mark.parametrize(("count", "recognition", "reply"), [(1, 1, 1), (2, 2, 1), (4, 2, 2), (8, 4, 4), (64, 4, 8)])
def test_how_they_are_shared(count: int, recognition: int, reply: int) -> None:
    assert (recognition_threads(count), reply_threads(count)) == (recognition, reply)
