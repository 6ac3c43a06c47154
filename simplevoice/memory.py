"""What of its memory the process keeps, and how soon it finds what can go."""

import ctypes
import gc

ARENAS = 2
"""For all threads together. A turn passes through several threads, and what one of them frees, glibc keeps for those of
the same arena: with an arena for each thread the short soak ends with 10 MiB more."""

M_ARENA_MAX = -8
"""glibc's malloc.h."""


THRESHOLDS = (700, 10, 2)
"""A full collection for every 23,000 new objects, those of 250 connections, unless a multiple of them is alive."""


def bound_arenas() -> None:
    """Let glibc make no more than ARENAS; other C libraries know no such thing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(M_ARENA_MAX, ARENAS)


def set_aside() -> None:
    """Spare the garbage collector what is there now, and let it look often at the rest. Blocks for about 0.1 s.

    What a connection leaves behind hangs together in circles, with its sound and its encoder, and waits for a full
    collection. Python runs one when the new objects are a quarter of the old ones and 70,000 more than were deleted:
    it came eight hundred connections late, and walked through all libraries, too.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # from now on there are no old ones
    gc.set_threshold(*THRESHOLDS)


def tidy() -> None:
    """Find now what nobody can reach. Blocks for some ms when the daemon was set aside."""
    gc.collect()
