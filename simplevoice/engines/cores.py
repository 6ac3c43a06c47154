"""How many cores there are for this process, and how the engines share them.

Recognition and the language model spread one piece of work over several threads, which wait for each other after each
step: with more threads than cores all of them wait. Each gets half of the cores, so that the two never have more than
all; only of two cores Whisper takes both, since with one everybody would wait for twice as long to be heard. Voice
activity detection and turn detection take one thread each.
"""

import os
from pathlib import Path

MOST_RECOGNITION, MOST_REPLY = 4, 8
"""As many as CTranslate2 takes by itself, and as the steps of a small language model are worth."""

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def count_cores() -> int:
    """Count the cores that this process may use: those that it is bound to, and no more than its cgroup's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(bound, _quota())))


def recognition_threads(cores: int) -> int:
    """Give Whisper half of the cores, but two where there are two."""
    return min(MOST_RECOGNITION, cores, max(2, cores // 2))


def reply_threads(cores: int) -> int:
    """Give llama.cpp half of the cores.

    Its threads wait spinning. With as many as there are cores, four replies beside Whisper take up to a minute on two
    cores, and 1.3 s with one thread, which alone makes the first clause only some 20 ms later.
    """
    return min(MOST_REPLY, max(1, cores // 2))


def _quota() -> float:
    """Read the least number of cores that version 2 of the cgroups allows, on the way up to the root."""
    try:
        [own] = [line[3:] for line in OWN_CGROUP.read_text().splitlines() if line.startswith("0::")]
        folder = CGROUPS / own.lstrip("/")
    except (OSError, ValueError):
        return float("inf")
    return min(_allowed(at) for at in (folder, *folder.parents) if at.is_relative_to(CGROUPS))


def _allowed(folder: Path) -> float:
    """Read ``cpu.max``: microseconds in a period of microseconds, or ``max``."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return float("inf") if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return float("inf")


CORES = count_cores()
"""As they were at the start: no engine changes its threads while it works."""
