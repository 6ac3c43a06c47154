"""What a process and those that it started use, as Linux counts it."""

import os
from pathlib import Path

PROC = Path("/proc")


def cpu_seconds(pid: int) -> float:
    """Tell how long all of them have worked until now."""
    return sum(_worked(member) for member in _tree(pid))


def peak_mib(pid: int) -> float:
    """Tell how much memory each of them had at most, all together."""
    return sum(_most(member) for member in _tree(pid)) / 1024


def _tree(pid: int) -> list[int]:
    children = " ".join(path.read_text() for path in (PROC / str(pid) / "task").glob("*/children")).split()
    return [pid, *(member for child in children for member in _tree(int(child)))]


def _worked(pid: int) -> float:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _most(pid: int) -> int:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
