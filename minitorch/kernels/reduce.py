"""Sums along axes that are not the last one, and sums of rows by index (the gradient of an embedding).

    sum_dims   out[a, b] = sum over r of x[a, r, b]        b is contiguous
    add_rows   out[index[j], :] += x[j, :]

Both add whole rows, so that neighbours in memory are neighbours in a vector register. Added one after the other in
float32, ten million numbers lose digits: here BLOCK rows are summed in their own precision, and those sums in float64. Memory is
read once, in order: the cost is that of reading it.
"""

from math import prod

import numpy as np

from ..ops.reduce import add_reduce
from . import threads
from .jit import njit, plain, take
from .registry import accelerates

__all__ = ["add_rows", "mean_dims", "sum_dims"]

BLOCK = 32  # rows summed in their own precision
WIDTH = 1024  # columns of a task: its sums stay in the L1 cache


@njit
def sum_middle(counter, x, out, sizes, divisor):
    """One thread. x: flat (A, R, B) = sizes; out: flat (A, B)."""
    outer, count, width = sizes
    blocks = -(-width // WIDTH)
    part, total = np.empty(WIDTH, x.dtype), np.empty(WIDTH)
    task = take(counter)
    while task < outer * blocks:
        a, first = task // blocks, task % blocks * WIDTH
        w = min(WIDTH, width - first)
        total[:w] = 0
        for block in range(0, count, BLOCK):
            part[:w] = 0
            for r in range(block, min(count, block + BLOCK)):
                start = (a * count + r) * width + first
                row = x[start : start + w]
                for i in range(w):
                    part[i] += row[i]
            for i in range(w):
                total[i] += part[i]
        target = out[a * width + first : a * width + first + w]
        for i in range(w):
            target[i] = total[i] / divisor
        task = take(counter)


def sums(input, dim, keepdim, divisor):
    """The sum over `dim` divided by `divisor`; None where the reference is as quick: along the last axis alone."""
    first, last = min(dim), max(dim)
    if not input.flags.carray or list(dim) != list(range(first, last + 1)) or last == input.ndim - 1:
        return None
    shape = input.shape
    sizes = prod(shape[:first]), prod(shape[first : last + 1]), prod(shape[last + 1 :])
    if sizes[2] < 8:
        return None
    middle = (1,) * len(dim) if keepdim else ()
    out = np.empty((*shape[:first], *middle, *shape[last + 1 :]), input.dtype)
    threads.run(sum_middle, threads.threads_for(input.size), input.reshape(-1), out.reshape(-1), sizes, float(divisor))
    return out


@accelerates("sum_dims")
def sum_dims(input, *, dim, keepdim):
    """The sum over the dimensions `dim`."""
    out = sums(input, dim, keepdim, 1) if dim and input.size else None
    return add_reduce(input, dim, keepdim) if out is None else out


@accelerates("mean_dims")
def mean_dims(input, *, dim, keepdim):
    """The mean over the dimensions `dim`."""
    count = prod([input.shape[d] for d in dim])
    out = sums(input, dim, keepdim, count) if dim and input.size else None
    return np.true_divide(add_reduce(input, dim, keepdim), count, dtype=input.dtype) if out is None else out


@njit
def add_to_rows(out, index, x):
    """out (n, d), index (m), x (m, d); False where an index lies outside."""
    good = True
    for j in range(len(index)):
        if 0 <= index[j] < len(out):
            target, row = out[index[j]], x[j]
            for i in range(len(row)):
                target[i] += row[i]
        else:
            good = False
    return good


@accelerates("add_rows")
def add_rows(grad, input, *, size, coefficient):
    """table[i] = the sum of grad[j] (times coefficient[j]) over all j with input[j] = i; the table has shape `size`."""
    if coefficient is not None:
        grad = grad * coefficient.astype(grad.dtype).reshape(*coefficient.shape, *[1] * (len(size) - 1))
    out = np.zeros(size, grad.dtype)
    if grad.size:
        rows = plain(grad).reshape(input.size, -1)
        if not add_to_rows(out.reshape(len(out), -1), plain(input.astype(np.int64, copy=False)).reshape(-1), rows):
            raise IndexError(f"add_rows: an index lies outside of the table of {size[0]} rows")
    return out
