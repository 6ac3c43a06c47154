"""What of its memory the process keeps, and how soon it finds what can go."""

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ARENAS = 2
"""For all threads together. A turn passes through several threads, and what one of them frees, glibc keeps for those of
the same arena: with one for each thread, `make soak` ends with more memory than it had after the first connections."""

M_ARENA_MAX = -8
"""glibc's malloc.h."""

THRESHOLDS = (700, 10, 2)
"""A full collection for every 23,000 new objects, unless four times as many are alive and not set aside.

By itself Python waits for 70,000, and walks through all libraries, too.
"""

MORE_CONNECTIONS = 250
"""After so many more they are set aside, too."""


def bound_arenas() -> None:
    """Let glibc make no more than ARENAS; other C libraries know no such thing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(M_ARENA_MAX, ARENAS)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: what is imported stays, and to walk through it takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Aside:
    """The most connections that were set aside at once. The collector is one for the whole process."""

    most = 0


@contextmanager
def spared(connections: Callable[[], int]) -> Iterator[None]:
    """Spare the garbage collector what is there now, and later the connections that stay. Blocks for about 0.1 s.

    What a connection or a turn leaves behind hangs together in circles, with its sound and its encoder, and waits for a
    full collection, in which everything else that is alive is walked through. So that comes often, and finds little:
    whenever many more are connected than ever before, what it found alive is set aside. What can get lost by that,
    until nobody is connected and ``tidy`` looks, is at most as much as there was at the busiest time.
    """

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2 and connections() >= _Aside.most + MORE_CONNECTIONS:
            _Aside.most = connections()
            gc.freeze()

    gc.collect()
    gc.freeze()
    gc.collect()  # from now on there are no old ones
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(look)
    try:
        yield
    finally:
        gc.callbacks.remove(look)
        gc.set_threshold(*before)


def tidy() -> None:
    """Find now what nobody can reach. Blocks for some ms, and after a crowd for longer: for when nobody converses."""
    if _Aside.most:
        _Aside.most = 0
        gc.unfreeze()
        gc.collect()
        gc.freeze()
    gc.collect()
