"""Resampling along one dimension, and its adjoint: interpolation, adaptive averages, reflected and circular padding.

    resample           z[a, j, b]            = sum over t of weight[j, t] x[a, index[j, t], b]
    resample_adjoint   x[a, index[j, t], b] += weight[j, t] z[a, j, b]

NumPy takes a pass over the whole array for every tap t. Here each row of the output is made at once from the few rows that
it is a mixture of, in vectors along b; where b is the dimension itself (nothing stands behind it), element by element along
the row. One multiply-add a tap, and every number is read and written once.
"""

from math import prod

import numpy as np

from . import threads
from .jit import njit, plain, take_many
from .registry import accelerates

__all__ = ["resample", "resample_adjoint"]

TASK = 16384  # elements of a task, about


@njit(fastmath={"contract"})
def mix(counter, x, z, index, weight, many):
    """One thread. x: (A, n, B), z: (A, m, B), zeros; index, weight: (m, taps); `many` of the A are a task."""
    outer, n, across = x.shape
    first = take_many(counter, outer, many)
    while first < outer:
        for a in range(first, min(outer, first + many)):
            for j in range(len(index)):
                for t in range(index.shape[1]):
                    w, source, target = weight[j, t], x[a, index[j, t]], z[a, j]
                    for i in range(across):
                        target[i] += w * source[i]
        first = take_many(counter, outer, many)


@njit(fastmath={"contract"})
def mix_elements(counter, x, z, index, weight, many):
    """`mix` for B = 1: x: (A, n), z: (A, m)."""
    first = take_many(counter, len(x), many)
    while first < len(x):
        for a in range(first, min(len(x), first + many)):
            source, target = x[a], z[a]
            for j in range(len(index)):
                total = weight[j, 0] * source[index[j, 0]]
                for t in range(1, index.shape[1]):
                    total += weight[j, t] * source[index[j, t]]
                target[j] = total
        first = take_many(counter, len(x), many)


@njit(fastmath={"contract"})
def spread(counter, z, x, index, weight, many):
    """The adjoint of `mix`: into x, zeros."""
    outer, m, across = z.shape
    first = take_many(counter, outer, many)
    while first < outer:
        for a in range(first, min(outer, first + many)):
            for j in range(m):
                for t in range(index.shape[1]):
                    w, source, target = weight[j, t], z[a, j], x[a, index[j, t]]
                    for i in range(across):
                        target[i] += w * source[i]
        first = take_many(counter, outer, many)


@njit(fastmath={"contract"})
def spread_elements(counter, z, x, index, weight, many):
    """The adjoint of `mix_elements`: into x, zeros."""
    first = take_many(counter, len(z), many)
    while first < len(z):
        for a in range(first, min(len(z), first + many)):
            source, target = z[a], x[a]
            for j in range(len(index)):
                for t in range(index.shape[1]):
                    target[index[j, t]] += weight[j, t] * source[j]
        first = take_many(counter, len(z), many)


def run(kernels, input, dim, index, weight, size):
    """kernels: for several elements behind the dimension, and for none."""
    shape = (*input.shape[:dim], size, *input.shape[dim + 1 :])
    out = np.zeros(shape, input.dtype)
    if out.size and input.size:
        weight = np.ones(index.shape, input.dtype) if weight is None else plain(weight.astype(input.dtype, copy=False))
        outer, across = prod(shape[:dim]), prod(shape[dim + 1 :])
        several, single = kernels
        kernel, inner = (single, ()) if across == 1 else (several, (across,))
        tables = [plain(array).reshape(outer, n, *inner) for array, n in ((input, input.shape[dim]), (out, size))]
        many = max(1, TASK // max(1, max(input.size, out.size) // outer))
        work = 10 * max(input.size, out.size) * index.shape[1]
        threads.run(kernel, threads.threads_for(work), *tables, plain(index.astype(np.int64, copy=False)), weight, many)
    return out


@accelerates("resample")
def resample(input, *, dim, index, weight):
    """z[..., j, ...] = sum over t of weight[j, t] x[..., index[j, t], ...]."""
    if weight is None:
        return input.take(index[:, 0], axis=dim)
    return run((mix, mix_elements), input, dim, index, weight, len(index))


@accelerates("resample_adjoint")
def resample_adjoint(grad, *, dim, index, weight, size):
    """x[..., i, ...] = the sum of weight[j, t] z[..., j, ...] over all (j, t) with index[j, t] = i."""
    return run((spread, spread_elements), grad, dim, index, weight, size)
