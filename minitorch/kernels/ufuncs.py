"""NumPy's elementwise functions in several threads, each of which takes some of the rows.

NumPy's loops are as fast as one core can read and write memory; only a second core makes them faster. Each number is computed as
it would be in one thread, so the result is the same.
"""

from __future__ import annotations

import numpy as np

from . import threads
from .registry import UFUNCS, accelerates

__all__ = ["in_threads"]

EACH = 12  # what an element takes, as `threads_for` counts


def can_be_shared(first, others) -> bool:
    """Whether there are threads to share the rows of `first` out to, to which the others are broadcast."""
    if threads.threads_for(EACH * first.size) == 1 or not first.flags.c_contiguous or len(first) == 1:
        return False
    for other in others:
        if other.dtype is not first.dtype:
            return False
        if other.shape == first.shape:
            if not other.flags.c_contiguous:
                return False
        elif other.ndim >= first.ndim or any(
            [n not in (1, m) for n, m in zip(other.shape[::-1], first.shape[::-1], strict=False)]
        ):
            return False
    return True


def in_threads(ufunc: np.ufunc):
    """A function like ufunc(first, ...), for arrays of one floating-point type."""

    def kernel(first, *others):
        if not can_be_shared(first, others):
            return ufunc(first, *others)
        out = np.empty(first.shape, first.dtype)
        number = threads.threads_for(EACH * first.size)
        rows = -(-len(first) // number)

        def piece(start: int) -> None:
            part = slice(start, start + rows)
            ufunc(first[part], *[a[part] if a.ndim == first.ndim else a for a in others], out=out[part])

        threads.each(piece, range(0, len(first), rows), number)
        return out

    return kernel


for name, ufunc in UFUNCS.items():
    accelerates(name)(in_threads(ufunc))
