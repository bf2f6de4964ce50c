"""From random bits to random numbers: the distributions, drawn exactly as torch draws them on a CPU.

Every sampler takes a `Generator` and a `count` and returns a flat array; `arrange` gives it the shape and layout of a
tensor, in the order in which torch visits the elements. What a number costs and how it is rounded is in `draws.py`.

The numbers equal torch's bit for bit, with two reservations. Float64 results go through the C library's logarithm,
sine and cosine, which may differ by one ulp between systems. And on Intel processors torch takes `bernoulli` with a
plain number for p (which dropout uses) and `exponential` from Intel's MKL library instead of its own generator: there
torch itself gives other numbers than on every other processor, and these here are the ones of all others.

Source: Devroye 1986, chapter II (inversion).
"""

from __future__ import annotations

import math

import numpy as np

from . import draws
from .draws import LONG_RANGE, in_blocks
from .generator import Generator
from .rounding import FLOAT32, FLOAT64, as_type, fma


def arrange(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Flat `values` in the shape of `like`, in torch's order: along its memory, from the smallest stride up."""
    if like.flags.c_contiguous:
        return values.reshape(like.shape)
    order = _outer_to_inner(like)
    return values.reshape([like.shape[d] for d in order]).transpose(np.argsort(order))


def flatten(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The elements of `array`, of the shape of `like`, in the order in which those of `like` lie in memory."""
    return (array if like.flags.c_contiguous else array.transpose(_outer_to_inner(like))).reshape(-1)


def _outer_to_inner(array: np.ndarray) -> list[int]:
    return sorted(range(array.ndim), key=lambda d: -abs(array.strides[d]))


def uniform(generator: Generator, count: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform in [low, high): u * (high - low) + low. Half precision draws in float32 and rounds; a number that
    rounding has carried up to `high` becomes `low`."""
    wide, unit = (FLOAT64, draws.uniform64) if dtype == FLOAT64 else (FLOAT32, draws.uniform32)
    if low == 0 and high == 1 and dtype == wide:
        return unit(generator, count)
    start, stop = wide.type(low), wide.type(high)
    lowest, highest = as_type(np.array([low, high]), dtype)
    values = as_type(unit(generator, count, stop - start, start), dtype)
    values[values == highest] = lowest
    return values


def normal(
    generator: Generator, count: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0, *, contiguous: bool = True
) -> np.ndarray:
    """Normal numbers by Box-Muller. Sixteen or more into contiguous memory are made in blocks of sixteen, in the
    precision of the result; fewer, or scattered ones, one after the other in float64."""
    if count < 16 or not contiguous:
        return as_type(draws.normal_pairs(generator, count, mean, std), dtype)
    wide, normals = (FLOAT64, draws.normal64) if dtype == FLOAT64 else (FLOAT32, draws.normal32)
    rest = count % 16
    if not rest:
        return as_type(normals(generator, count, mean, std), dtype)
    out = np.empty(count, dtype)
    out[: count - rest] = as_type(normals(generator, count - rest, mean, std), dtype)
    # An incomplete block is drawn (in full precision: half precision never stores it) and then thrown away for
    # sixteen fresh numbers, which replace the end of the block before as well.
    if dtype == wide:
        generator.words(rest * dtype.itemsize // 4)
    out[count - 16 :] = as_type(normals(generator, 16, mean, std), dtype)
    return out


INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def integers(generator: Generator, count: int, dtype: np.dtype, low: int, high: int) -> np.ndarray:
    """Integers in [low, high), word modulo (high - low), stored as `dtype`; [-2**63, 2**63) takes every 64-bit word."""
    extent = high - low
    if extent == 2**64:
        values = in_blocks(count, np.dtype(np.int64), lambda n: generator.long_words(n).view(np.int64))
    else:
        values = draws.remainders(generator, count, extent, low, extent >= LONG_RANGE)
    return as_type(values, dtype)


def random_integers(generator: Generator, count: int, dtype: np.dtype, digits: int) -> np.ndarray:
    """Integers over all that `dtype` can hold without gaps from 0 on: [0, 2**digits) for an integer type of so many
    value bits, [0, 2**digits] for a floating type of so many significant bits."""
    extent = 2**digits + (dtype.kind not in "biu")
    long = dtype in (FLOAT64, np.int64)
    return as_type(draws.remainders(generator, count, extent, 0, long), dtype)


def permutation(generator: Generator, n: int) -> np.ndarray:
    """A random order of 0 .. n-1, int64 (n,)."""
    return draws.permutation(generator, n)


def bernoulli(generator: Generator, count: int, dtype: np.dtype, p: float) -> np.ndarray:
    """1 with probability p, else 0: a float64 uniform number is compared with p."""
    return as_type(draws.bernoulli(generator, count, p), dtype)


def bernoulli_each(generator: Generator, dtype: np.dtype, p: np.ndarray) -> np.ndarray:
    """1 with its own probability p[i], else 0: a uniform number of p's precision (at least float32) is compared."""
    unit = draws.uniform64 if p.dtype == FLOAT64 else draws.uniform32
    return as_type(unit(generator, p.size) < p.reshape(-1), dtype)


def exponential(generator: Generator, count: int, dtype: np.dtype, lambd: float = 1.0) -> np.ndarray:
    """Exponential numbers of rate lambd: -log(1 - u) / lambd."""
    return in_blocks(count, dtype, lambda n: -1.0 / lambd * np.log1p(-draws.uniform64(generator, n)))


def geometric(generator: Generator, count: int, dtype: np.dtype, p: float) -> np.ndarray:
    """The number of trials up to the first success: ceil(log(u) / log(1 - p))."""

    def draw(n: int) -> np.ndarray:
        with np.errstate(divide="ignore"):
            trials = np.ceil(np.log(draws.uniform64(generator, n)) / math.log1p(-p))
        return trials if dtype.kind not in "iu" else trials.astype(np.int64)

    return in_blocks(count, dtype, draw)


def cauchy(generator: Generator, count: int, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Cauchy numbers: median + sigma * tan(pi * (u - 1/2))."""
    return in_blocks(
        count, dtype, lambda n: fma(np.tan(math.pi * (draws.uniform64(generator, n) - 0.5)), sigma, median)
    )


def log_normal(generator: Generator, count: int, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """exp of a normal number, always drawn one after the other in float64."""
    return in_blocks(count, dtype, lambda n: np.exp(draws.normal_pairs(generator, n, mean, std)))


def choices(generator: Generator, weights: np.ndarray, samples: int) -> np.ndarray:
    """Indices drawn with replacement, each with a probability in proportion to its weight: weights (rows, n) of
    float32 or float64 to int64 (rows, samples). A uniform number is looked up in the running sum of the weights."""
    out = np.empty((weights.shape[0], samples), np.int64)
    for row, target in zip(weights, out, strict=True):
        cumulative = np.cumsum(row, dtype=row.dtype)
        cumulative /= cumulative[-1]
        cumulative[-1] = 1
        target[...] = np.searchsorted(cumulative.astype(FLOAT64), draws.uniform64(generator, samples), side="left")
    return out


def distinct_choices(generator: Generator, weights: np.ndarray, samples: int) -> np.ndarray:
    """Indices drawn without replacement, in the order drawn: weights (rows, n) to int64 (rows, samples).

    The largest of weight / Exp(1) falls on index i with a probability in proportion to weight i, and the next ones
    follow in the same way (the exponential form of the Gumbel trick).
    """
    noise = arrange(exponential(generator, weights.size, weights.dtype), weights)
    with np.errstate(divide="ignore", over="ignore"):
        keys = weights / noise
    if samples == 1:
        return keys.argmax(axis=-1, keepdims=True)
    if samples < keys.shape[-1] // 8:  # sorts only those that are drawn
        first = np.argpartition(-keys, samples - 1, axis=-1)[:, :samples]
        order = np.argsort(-np.take_along_axis(keys, first, -1), axis=-1, kind="stable")
        return np.take_along_axis(first, order, -1)
    return np.ascontiguousarray(np.argsort(-keys, axis=-1, kind="stable")[:, :samples])
