"""How much memory the C library keeps for this process."""

import ctypes

ARENAS = 2
"""For all threads together. A turn passes through several threads, and what one of them frees, glibc keeps for those of
the same arena: with an arena for each thread the short soak ends with 10 MiB more."""

M_ARENA_MAX = -8
"""glibc's malloc.h."""


def bound_arenas() -> None:
    """Let glibc make no more than ARENAS; other C libraries know no such thing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(M_ARENA_MAX, ARENAS)
