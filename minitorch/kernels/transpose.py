"""A copy in row-major order of an array whose dimensions lie in memory in another one.

Read along the rows of the result, the source jumps: every number comes from another cache line, and by the time the line's
next number is wanted, the line is gone. So the copy goes tile by tile. A tile is as wide as a cache line in both directions:
each of its lines is read once and written once.

    x[a, r, c], r contiguous        for each tile:  lanes x lanes blocks, turned in registers (moves.py)        z[a, r, c]
"""

from math import prod

import numpy as np

from ..core.op import REGISTRY
from . import threads
from .jit import njit, take
from .moves import transpose_block
from .registry import accelerates
from .simd import BITS

__all__ = ["copied"]

TILE = 64  # rows and columns of a task


@njit
def transpose_tiles(counter, x, z, sizes, pitch, step, lanes):
    """One thread. z: flat (A, R, C) = sizes; z[a, r, c] = x[a * step + c * pitch + r], x flat."""
    outer, rows, columns = sizes
    down, across = -(-rows // TILE), -(-columns // TILE)
    tasks = outer * down * across
    task = take(counter, tasks)
    while task < tasks:
        a, tile = task // (down * across), task % (down * across)
        top, left = tile // across * TILE, tile % across * TILE
        bottom, right = min(rows, top + TILE), min(columns, left + TILE)
        for r in range(top, bottom, lanes):
            for c in range(left, right, lanes):
                to, at = (a * rows + r) * columns + c, a * step + c * pitch + r
                if r + lanes <= bottom and c + lanes <= right:
                    transpose_block(z, to, columns, x, at, pitch)
                else:
                    for i in range(min(lanes, bottom - r)):
                        for j in range(min(lanes, right - c)):
                            z[to + i * columns + j] = x[at + j * pitch + i]
        task = take(counter, tasks)


def as_transposed(input):
    """(A, R, C) such that `input` is a dense (A, C, R) seen with the last two in turn; None if it is not."""
    for first in range(input.ndim - 1):
        for split in range(first + 1, input.ndim):
            order = (*range(first), *range(split, input.ndim), *range(first, split))
            if input.transpose(order).flags.c_contiguous:
                return prod(input.shape[:first]), prod(input.shape[first:split]), prod(input.shape[split:])
    return None


@accelerates("copied")
def copied(input, *, order):
    """A copy with memory of its own; here row-major, of an array whose memory is a transposed one."""
    sizes = as_transposed(input) if order == "C" and input.size and input.flags.aligned else None
    if sizes is None or min(sizes[1:]) < 8:
        return REGISTRY["copied"].reference(input, order=order)
    out = np.empty(input.shape, input.dtype)
    memory = input.ravel("K")
    outer, rows, columns = sizes
    lanes = BITS // (8 * input.itemsize)
    threads.run(
        transpose_tiles, threads.threads_for(30 * out.size), memory, out.reshape(-1), sizes, rows, rows * columns, lanes
    )
    return out
