"""Running sums along an axis: z_i = x_0 + ... + x_i (reverse: x_i + ... + x_n).

    along the end      x[a, r]       one chain of additions a row: the processor waits for each before it can start the next, so
                                     ROWS rows go side by side and their chains overlap
    along a middle     x[a, r, b]    a row of B sums, to which the rows are added one after the other

The sums are float64, as exact as one rounding of each result.
"""

from math import prod

import numpy as np

from ..core.op import REGISTRY
from . import threads
from .jit import njit, plain, take
from .registry import accelerates

__all__ = ["cumsum_dim"]

ROWS = 4  # rows side by side
WIDTH = 512  # columns of a task


@njit
def sum_rows(counter, x, z, reverse):
    """One thread. x, z: (A, R)."""
    count, length = x.shape
    first, step = (length - 1, -1) if reverse else (0, 1)
    tasks = -(-count // ROWS)
    task = take(counter, tasks)
    while task < tasks:
        if task * ROWS + ROWS <= count:
            r = task * ROWS
            a, b, c, d = x[r], x[r + 1], x[r + 2], x[r + 3]
            p, q, s, t = z[r], z[r + 1], z[r + 2], z[r + 3]
            i, one, two, three, four = first, 0.0, 0.0, 0.0, 0.0
            for _ in range(length):
                one, two, three, four = one + a[i], two + b[i], three + c[i], four + d[i]
                p[i], q[i], s[i], t[i] = one, two, three, four
                i += step
        else:
            for r in range(task * ROWS, count):
                total, i = 0.0, first
                for _ in range(length):
                    total += x[r, i]
                    z[r, i] = total
                    i += step
        task = take(counter, tasks)


@njit
def sum_columns(counter, x, z, reverse):
    """One thread. x, z: (A, R, B)."""
    outer, length, across = x.shape
    strips = -(-across // WIDTH)
    total = np.empty(WIDTH)
    tasks = outer * strips
    task = take(counter, tasks)
    while task < tasks:
        start = task % strips * WIDTH
        w = min(WIDTH, across - start)
        total[:w] = 0
        for k in range(length):
            r = length - 1 - k if reverse else k
            a, b = x[task // strips, r, start : start + w], z[task // strips, r, start : start + w]
            for i in range(w):
                total[i] += a[i]
                b[i] = total[i]
        task = take(counter, tasks)


@accelerates("cumsum_dim")
def cumsum_dim(input, *, dim, reverse):
    """z_i = sum of x_j over j <= i (reverse: over j >= i)."""
    if not input.ndim or not input.size:
        return REGISTRY["cumsum_dim"].reference(input, dim=dim, reverse=reverse)
    shape = input.shape
    x, z = plain(input), np.empty(shape, input.dtype)
    sizes = prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :])
    kernel, sizes = (sum_rows, sizes[:2]) if sizes[2] == 1 else (sum_columns, sizes)
    threads.run(kernel, threads.threads_for(30 * x.size), x.reshape(sizes), z.reshape(sizes), reverse)
    return z
