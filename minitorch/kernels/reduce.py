"""Sums, means, variances and norms along any axes.

Neighbouring axes of a contiguous array that are all kept, or all reduced, are one axis. What is left are two cases:

    along the end     x[a, r]       FEW neighbours at a time are summed in dozens of partial sums, in vectors
    along a middle    x[a, r, b]    whole rows are added, so that neighbours in memory are neighbours in a vector register

Added one after the other in float32, ten million numbers lose digits: these sums (in a middle: of BLOCK rows) are added in
float64. Memory is read once, in order, and that is the cost. Pieces of CHUNK, of which several make a task, are the same
however many threads there are.

A variance needs the mean first. Each piece is read twice, the second time from the L1 cache, for its own mean m_k and sum of
squares M_k in float64; those of the whole are (T. Chan, G. Golub, R. LeVeque, 1979)

    mean = sum n_k m_k / n        M = sum M_k + sum n_k (m_k - mean)^2
"""

from itertools import groupby
from math import prod

import numpy as np

from ..core.op import REGISTRY
from ..ops.reduce import FEW as FEW_ROWS
from ..ops.reduce import add_reduce
from ..shapes import reduced_shape
from . import threads
from .elementary import add
from .jit import inner, njit, take, take_many
from .registry import accelerates

__all__ = ["mean_all", "mean_dims", "std_dims", "sum_all", "sum_dims", "var_dims", "vector_norm_dims"]

FEW = 512  # elements summed in their own precision: 16 in each of 32 partial sums
CHUNK = 4096  # elements of a piece
TASK = 16384  # elements of a task, about
BLOCK = 16  # rows summed in their own precision
WIDTH = 1024  # columns of a task: its sums stay in the L1 cache
SHORT = 8  # rows shorter than this are left to the references, which add whole columns


@njit
def sum_pieces(counter, x, out, width, pieces, squared, divisor):
    """One thread. x: flat (A, width); out: flat (A, pieces), the sum of each piece, or of its squares, over `divisor`."""
    many = TASK // min(width, CHUNK)
    first = take_many(counter, len(out), many)
    while first < len(out):
        row, start = first // pieces, first % pieces * CHUNK
        for k in range(first, min(len(out), first + many)):
            begin, end = row * width + start, row * width + min(start + CHUNK, width)
            total = 0.0
            for j in range(begin, end, FEW):
                few = x[j : min(j + FEW, end)]
                part = x.dtype.type(0)
                if squared:
                    for i in range(len(few)):
                        part = add(part, few[i] * few[i])
                else:
                    for i in range(len(few)):
                        part = add(part, few[i])
                total += part
            out[k] = total / divisor
            row, start = (row, start + CHUNK) if start + CHUNK < width else (row + 1, 0)
        first = take_many(counter, len(out), many)


@njit
def moment_pieces(counter, x, mean, squares, width, pieces):
    """One thread. x: flat (A, width); mean, squares: flat (A, pieces), of each piece the mean and the squares around it."""
    many = TASK // min(width, CHUNK)
    first = take_many(counter, len(mean), many)
    while first < len(mean):
        row, start = first // pieces, first % pieces * CHUNK
        for k in range(first, min(len(mean), first + many)):
            piece = x[row * width + start : row * width + min(start + CHUNK, width)]
            total = square = 0.0
            for i in range(len(piece)):
                total = add(total, np.float64(piece[i]))
            middle = total / len(piece)
            for i in range(len(piece)):
                d = piece[i] - middle
                square = add(square, d * d)
            mean[k], squares[k] = middle, square
            row, start = (row, start + CHUNK) if start + CHUNK < width else (row + 1, 0)
        first = take_many(counter, len(mean), many)


@inner
def row_of(x, start, count):
    return x[start : start + count]


@njit
def sum_middle(counter, x, out, sizes, divisor):
    """One thread. x: flat (A, R, B) = sizes; out: flat (A, B)."""
    outer, count, width = sizes
    blocks = -(-width // WIDTH)
    fours = count - count % 4  # four rows at once: a quarter of the loads and stores of the sums, and of the roundings
    part, total = np.empty(WIDTH, x.dtype), np.empty(WIDTH)
    tasks = outer * blocks
    task = take(counter, tasks)
    while task < tasks:
        a, first = task // blocks, task % blocks * WIDTH
        w = min(WIDTH, width - first)
        total[:w] = 0
        base = a * count * width + first
        for block in range(0, fours, BLOCK):
            part[:w] = 0
            for r in range(block, min(fours, block + BLOCK), 4):
                p, q = row_of(x, base + r * width, w), row_of(x, base + (r + 1) * width, w)
                s, t = row_of(x, base + (r + 2) * width, w), row_of(x, base + (r + 3) * width, w)
                for i in range(w):
                    part[i] += (p[i] + q[i]) + (s[i] + t[i])
            for i in range(w):
                total[i] += part[i]
        for r in range(fours, count):
            row = row_of(x, base + r * width, w)
            for i in range(w):
                total[i] += row[i]
        target = out[a * width + first : a * width + first + w]
        for i in range(w):
            target[i] = total[i] / divisor
        task = take(counter, tasks)


def runs(shape, dim):
    """The sizes of neighbouring axes taken together, with whether they are reduced: [(size, reduced), ...]."""
    fates = groupby(range(len(shape)), lambda d: d in dim)
    return [(prod([shape[d] for d in axes]), reduced) for reduced, axes in fates]


def pieces_of(input, width):
    """The number of rows, and of pieces in each."""
    return input.size // width, -(-width // CHUNK)


def sums_at_end(input, width, squared=False):
    """The sum over each row of `width` neighbours in memory, or of its squares, in float64."""
    rows, pieces = pieces_of(input, width)
    out = np.empty((rows, pieces))
    arrays = input.reshape(-1), out.reshape(-1)
    threads.run(sum_pieces, threads.threads_for(5 * input.size), *arrays, width, pieces, squared, 1.0)
    return out[:, 0] if pieces == 1 else np.add.reduce(out, 1)


def sums(input, dim, keepdim, divisor):
    """The sum over `dim` divided by `divisor`; None where the reference is as quick."""
    if not dim or not input.size or not input.flags.carray:
        return None
    parts = runs(input.shape, dim)
    shape = reduced_shape(input.shape, dim, keepdim)
    size, reduced = parts[-1]
    if reduced:
        if size < SHORT:
            return None
        if len(parts) < 3 and size <= CHUNK:
            out = np.empty(shape, input.dtype)
            arrays = input.reshape(-1), out.reshape(-1)
            threads.run(sum_pieces, threads.threads_for(5 * input.size), *arrays, size, 1, False, float(divisor))
            return out
        total = sums_at_end(input, size)
        others = tuple([k for k, (_, reduced) in enumerate(parts[:-1]) if reduced])
        if others:
            total = add_reduce(total.reshape([n for n, _ in parts[:-1]]), others)
        total = total / divisor if divisor != 1 else total
        return total.astype(input.dtype).reshape(shape)
    if size < SHORT or len(parts) > 3 or (len(parts) == 3 and parts[0][1]):
        return None
    sizes = prod([n for n, _ in parts[:-2]]), parts[-2][0], size
    out = np.empty(shape, input.dtype)
    threads.run(
        sum_middle, threads.threads_for(4 * input.size), input.reshape(-1), out.reshape(-1), sizes, float(divisor)
    )
    return out


@accelerates("sum_dims")
def sum_dims(input, *, dim, keepdim):
    """The sum over the dimensions `dim`."""
    little = dim == (0,) and len(input) <= FEW_ROWS and input.size < TASK
    out = None if little else sums(input, dim, keepdim, 1)
    return add_reduce(input, dim, keepdim) if out is None else out


@accelerates("mean_dims")
def mean_dims(input, *, dim, keepdim):
    """The mean over the dimensions `dim`."""
    count = prod([input.shape[d] for d in dim])
    out = sums(input, dim, keepdim, count)
    return np.true_divide(add_reduce(input, dim, keepdim), count, dtype=input.dtype) if out is None else out


@accelerates("sum_all")
def sum_all(input):
    """The sum of all elements."""
    if not input.size or not input.flags.carray:
        return add_reduce(input, None)
    return sums_at_end(input, input.size)[0].astype(input.dtype)


@accelerates("mean_all")
def mean_all(input):
    """The mean of all elements."""
    if not input.size or not input.flags.carray:
        return np.true_divide(add_reduce(input, None), input.size, dtype=input.dtype)
    return (sums_at_end(input, input.size)[0] / input.size).astype(input.dtype)


def at_end(input, dim):
    """How many neighbours in memory are reduced to one, where the reduced dimensions are the last ones; else 0."""
    parts = runs(input.shape, dim) if dim and input.size and input.flags.carray else []
    return parts[-1][0] if parts and parts[-1][1] and not any([reduced for _, reduced in parts[:-1]]) else 0


def variance(input, dim, correction, keepdim):
    """The variance in float64; None where the reference is to compute it."""
    width = at_end(input, dim)
    if width < SHORT:
        return None
    rows, pieces = pieces_of(input, width)
    mean, squares = np.empty((rows, pieces)), np.empty((rows, pieces))
    arrays = input.reshape(-1), mean.reshape(-1), squares.reshape(-1)
    threads.run(moment_pieces, threads.threads_for(16 * input.size), *arrays, width, pieces)
    counts = np.full(pieces, float(CHUNK))
    counts[-1] = width - CHUNK * (pieces - 1)
    middle = np.add.reduce(mean * counts, 1, keepdims=True) / width
    total = np.add.reduce(squares + counts * (mean - middle) ** 2, 1)
    return (total / np.float64(max(width - correction, 0))).reshape(reduced_shape(input.shape, dim, keepdim))


@accelerates("var_dims")
def var_dims(input, *, dim, correction, keepdim):
    """sum((input - mean)^2) / (n - correction) over `dim`."""
    out = variance(input, dim, correction, keepdim)
    if out is None:
        return REGISTRY["var_dims"].reference(input, dim=dim, correction=correction, keepdim=keepdim)
    return out.astype(input.dtype)


@accelerates("std_dims")
def std_dims(input, *, dim, correction, keepdim):
    """The square root of the variance."""
    out = variance(input, dim, correction, keepdim)
    if out is None:
        return REGISTRY["std_dims"].reference(input, dim=dim, correction=correction, keepdim=keepdim)
    return np.sqrt(out).astype(input.dtype)


@accelerates("vector_norm_dims")
def vector_norm_dims(input, *, dim, keepdim, ord):
    """The norm over `dim`: here the square root of the sum of squares, over the last dimensions."""
    width = at_end(input, dim) if ord == 2 else 0
    if width < SHORT:
        return REGISTRY["vector_norm_dims"].reference(input, dim=dim, keepdim=keepdim, ord=ord)
    out = np.sqrt(sums_at_end(input, width, squared=True)).astype(input.dtype)
    return out.reshape(reduced_shape(input.shape, dim, keepdim))
