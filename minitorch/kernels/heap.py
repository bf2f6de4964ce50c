"""The memory of arrays that are gone is kept for the next ones.

A training step asks for the same arrays as the step before it, and lets them go again. What glibc's malloc gives back to the
system in between comes back as pages that do not exist yet: each of 4096 bytes costs a page fault, 0.5 to 3 us, where a kernel needs
half a microsecond to fill it, and the faults of several threads wait for each other. So

    what is free at the end of the heap is kept, up to KEPT bytes, where glibc gives back all beyond twice the largest array so far;
    arrays below LARGE come from the heap, where glibc decides by those that it has seen (https://man7.org/linux/man-pages/man3/mallopt.3.html).

Any other C library is left alone, and so is one that was told something else in the environment.
"""

import ctypes
import os

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT, LARGE = 128 << 20, 32 << 20  # LARGE is the most that glibc allows
VARIABLES = "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_"


def keep_freed_memory() -> None:
    """Tell glibc so."""
    if any(name in os.environ for name in VARIABLES) or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", ""):
        return
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # AttributeError if this is not glibc
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows
        return
    if mallopt(M_MMAP_THRESHOLD, LARGE):  # the other alone would do harm: it ends glibc's own choice of this one
        mallopt(M_TRIM_THRESHOLD, KEPT)
