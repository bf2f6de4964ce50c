"""From random bits to random numbers: the distributions, drawn exactly as torch draws them on a CPU.

Every sampler takes a `Generator` and a `count` and returns a flat array; `arrange` gives it the shape and layout of a
tensor, in the order in which torch visits the elements. All of a stream depends on details, so they are kept: how
many words a number costs, which bits of a word count, what is computed in which precision, and where torch's compiler
fuses a multiplication with an addition (its x86 kernels round `a * b + c` once, which `rounding.fma` repeats).

The numbers equal torch's bit for bit, with two reservations. Float64 results go through the C library's logarithm,
sine and cosine, which may differ by one ulp between systems. And on Intel processors torch takes `bernoulli` with a
plain number for p (which dropout uses) and `exponential` from Intel's MKL library instead of its own generator: there
torch itself gives other numbers than on every other processor, and these here are the ones of all others.

Sources: Box & Muller 1958 (normal numbers); Moshier's Cephes library (the float32 logarithm, sine and cosine);
Fisher & Yates 1938, Durstenfeld 1964 (permutations); Devroye 1986, chapter II (inversion).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .generator import Generator
from .rounding import FLOAT32, FLOAT64, as_type, fma

# Numbers are made in blocks that stay in the processor's cache; a multiple of 16, the block of Box-Muller.
BLOCK = 8192


def _in_blocks(count: int, dtype: np.dtype, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    if count <= BLOCK:
        return as_type(draw(count), dtype)
    out = np.empty(count, dtype)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        out[start:stop] = as_type(draw(stop - start), dtype)
    return out


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


# Uniform numbers.


def _unit32(generator: Generator, count: int) -> np.ndarray:
    """float32 in [0, 1): the low 24 bits of a word."""
    words = generator.words(count).astype(np.int32)
    words &= 0xFFFFFF
    unit = words.astype(FLOAT32)
    unit *= FLOAT32.type(2.0**-24)
    return unit


def _unit64(generator: Generator, count: int) -> np.ndarray:
    """float64 in [0, 1): the low 53 bits of two words."""
    words = generator.long_words(count)
    words &= np.uint64(2**53 - 1)
    return words.view(np.int64) * 2.0**-53


def uniform(generator: Generator, count: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Uniform in [low, high): u * (high - low) + low. Half precision draws in float32 and rounds; a number that
    rounding has carried up to `high` becomes `low`."""
    wide = FLOAT64 if dtype == FLOAT64 else FLOAT32
    unit = _unit64 if wide == FLOAT64 else _unit32
    if low == 0 and high == 1 and dtype == wide:
        return _in_blocks(count, dtype, lambda n: unit(generator, n))
    start, stop = wide.type(low), wide.type(high)
    lowest, highest = as_type(np.array([low, high]), dtype)

    def draw(n: int) -> np.ndarray:
        values = as_type(fma(unit(generator, n), stop - start, start), dtype)
        values[values == highest] = lowest
        return values

    return _in_blocks(count, dtype, draw)


# Normal numbers.


def normal(
    generator: Generator, count: int, dtype: np.dtype, mean: float = 0.0, std: float = 1.0, *, contiguous: bool = True
) -> np.ndarray:
    """Normal numbers by Box-Muller. Sixteen or more into contiguous memory are made in blocks of sixteen, in the
    precision of the result; fewer, or scattered ones, one after the other in float64."""
    if count < 16 or not contiguous:
        return as_type(fma(_normal_pairs(generator, count), std, mean), dtype)
    wide = FLOAT64 if dtype == FLOAT64 else FLOAT32
    unit, transform = (_unit64, _box_muller64) if wide == FLOAT64 else (_unit32, _box_muller32)

    def draw(n: int) -> np.ndarray:
        return fma(transform(unit(generator, n)), wide.type(std), wide.type(mean))

    rest = count % 16
    out = np.empty(count, dtype)
    out[: count - rest] = _in_blocks(count - rest, dtype, draw)
    if rest:
        # An incomplete block is drawn (in full precision: half precision never stores it) and then thrown away
        # for sixteen fresh numbers, which replace the end of the block before as well.
        if dtype == wide:
            unit(generator, rest)
        out[count - 16 :] = as_type(draw(16), dtype)
    return out


def _normal_pairs(generator: Generator, count: int) -> np.ndarray:
    """Standard normal float64 numbers, r cos t and then r sin t; the odd one out is kept for the next call."""
    out = np.empty(count)
    start = 0
    if count and generator.spare_normal is not None:
        out[0] = generator.spare_normal
        generator.spare_normal = None
        start = 1
    u1, u2 = _unit64(generator, (count - start + 1) // 2 * 2).reshape(-1, 2).T
    radius = np.sqrt(-2.0 * np.log1p(-u2))
    theta = 2.0 * math.pi * u1
    pairs = np.stack((radius * np.cos(theta), radius * np.sin(theta)), axis=1).reshape(-1)
    out[start:] = pairs[: count - start]
    if pairs.size > count - start:
        generator.spare_normal = float(pairs[-1])
    return out


def _box_muller64(unit: np.ndarray) -> np.ndarray:
    """Uniform to normal within blocks of sixteen: u_j and u_(j+8) give r cos t and r sin t."""
    u1, u2 = unit.reshape(-1, 2, 8).swapaxes(0, 1)
    radius = np.sqrt(-2.0 * np.log(1.0 - u1))
    theta = 2.0 * math.pi * u2
    return np.stack((radius * np.cos(theta), radius * np.sin(theta)), axis=1).reshape(-1)


def _box_muller32(unit: np.ndarray) -> np.ndarray:
    """The same in float32, with the logarithm, sine and cosine that torch's vector code computes."""
    u1, u2 = unit.reshape(-1, 2, 8).swapaxes(0, 1)
    radius = np.sqrt(FLOAT32.type(-2) * _log32(FLOAT32.type(1) - u1))
    sin, cos = _sincos32(FLOAT32.type(2 * math.pi) * u2)
    return np.stack((radius * cos, radius * sin), axis=1).reshape(-1)


# Coefficients of Cephes' logf, sinf and cosf, rounded to float32 and held as float64 for the exact products.
def _float32s(*coefficients: float) -> tuple[float, ...]:
    return tuple(float(FLOAT32.type(c)) for c in coefficients)


LOG = _float32s(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
LN2_LOW, LN2_HIGH = _float32s(-2.12194440e-4, 0.693359375)
SQRT_HALF, FOUR_OVER_PI = _float32s(0.707106781186547524, 1.27323954473516)
# pi / 4 in three parts, so that j * part is exact for small j.
MINUS_QUARTER_PI = _float32s(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
SIN = _float32s(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = _float32s(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def _round32(x: np.ndarray) -> np.ndarray:
    """x rounded in place to float32's precision, still stored as float64, where products of such numbers are exact."""
    x[...] = x.astype(FLOAT32)
    return x


def _horner32(x: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    y = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y *= x
        y += c
        _round32(y)
    return y


def _log32(x: np.ndarray) -> np.ndarray:
    """log(x), float32: x = 2**e * (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) by a polynomial."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < FLOAT32.type(SQRT_HALF)
    mantissa += mantissa * small
    f = mantissa.astype(FLOAT64) - 1.0
    e = (exponent - small).astype(FLOAT64)
    square = _round32(f * f)
    y = _round32(_horner32(f, LOG) * f)
    y = _round32(y * square + _round32(e * LN2_LOW))
    y = _round32(y - 0.5 * square)
    y = _round32(f + y)
    return (e * LN2_HIGH + y).astype(FLOAT32)


def _sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sin(x) and cos(x), float32, x >= 0: reduced by multiples of pi / 2, then a polynomial for each."""
    octant = (x * FLOAT32.type(FOUR_OVER_PI)).astype(np.int32)
    octant += octant & 1
    x = x.astype(FLOAT64)
    for part in MINUS_QUARTER_PI:
        x = _round32(octant * part + x)
    square = _round32(x * x)
    cos = _round32(_horner32(square, COS) * square)
    cos = _round32(cos * square - 0.5 * square)
    cos = (cos + 1.0).astype(FLOAT32)
    sin = _round32(_horner32(square, SIN) * square)
    sin = (sin * x + x).astype(FLOAT32)
    swapped = (octant & 2) != 0
    sin_x, cos_x = np.where(swapped, cos, sin), np.where(swapped, sin, cos)
    sin_x *= (1 - (octant >> 1 & 2)).astype(FLOAT32)  # bit 2 of the octant tells the sign: 4 gives -1
    cos_x *= (1 - (octant + 2 >> 1 & 2)).astype(FLOAT32)
    return sin_x, cos_x


# Integers and permutations.

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# From this range on the remainder of one word would be visibly uneven, so a number costs two words.
LONG_RANGE = 2**28
# A permutation of so many elements is drawn from 64-bit words.
LONG_PERMUTATION = (2**32 - 1) // 20


def integers(generator: Generator, count: int, dtype: np.dtype, low: int, high: int) -> np.ndarray:
    """Integers in [low, high), word modulo (high - low), stored as `dtype`; [-2**63, 2**63) takes every 64-bit word."""
    extent = high - low
    if extent == 2**64:
        return _in_blocks(count, dtype, lambda n: as_type(generator.long_words(n).view(np.int64), dtype))
    words = generator.long_words if extent >= LONG_RANGE else generator.words

    def draw(n: int) -> np.ndarray:
        values = (words(n) % np.uint64(extent)).view(np.int64)
        values += low
        return values

    return _in_blocks(count, dtype, draw)


def random_integers(generator: Generator, count: int, dtype: np.dtype, digits: int) -> np.ndarray:
    """Integers over all that `dtype` can hold without gaps from 0 on: [0, 2**digits) for an integer type of so many
    value bits, [0, 2**digits] for a floating type of so many significant bits."""
    extent = 2**digits + (dtype.kind not in "biu")
    words = generator.long_words if dtype in (FLOAT64, np.int64) else generator.words
    return _in_blocks(count, dtype, lambda n: (words(n) % np.uint64(extent)).view(np.int64))


def permutation(generator: Generator, n: int) -> np.ndarray:
    """A random order of 0 .. n-1, int64 (n,), by Fisher-Yates: element i swaps with one of those from i on."""
    if n >= LONG_PERMUTATION:
        return _long_permutation(generator, n)
    order = list(range(n))
    if n > 1:
        partners = generator.words(n - 1) % np.arange(n, 1, -1, dtype=np.uint64)
        partners += np.arange(n - 1, dtype=np.uint64)
        for i, partner in enumerate(partners.tolist()):
            order[i], order[partner] = order[partner], order[i]
    return np.array(order, np.int64)


def _long_permutation(generator: Generator, n: int) -> np.ndarray:
    """The inside-out variant: element i takes the place of one of those up to i, which moves to place i."""
    order = np.empty(n, np.int64)
    for start in range(0, n, BLOCK):
        places = np.arange(start, min(start + BLOCK, n))
        others = generator.long_words(places.size) % (places + 1).astype(np.uint64)
        for i, other in zip(places.tolist(), others.tolist(), strict=True):
            order[i] = order[other]
            order[other] = i
    return order


# Other distributions.


def bernoulli(generator: Generator, count: int, dtype: np.dtype, p: float) -> np.ndarray:
    """1 with probability p, else 0: a float64 uniform number is compared with p."""
    return _in_blocks(count, dtype, lambda n: _unit64(generator, n) < p)


def bernoulli_each(generator: Generator, dtype: np.dtype, p: np.ndarray) -> np.ndarray:
    """1 with its own probability p[i], else 0: a uniform number of p's precision (at least float32) is compared."""
    unit = _unit64 if p.dtype == FLOAT64 else _unit32
    return as_type(unit(generator, p.size) < p.reshape(-1), dtype)


def exponential(generator: Generator, count: int, dtype: np.dtype, lambd: float = 1.0) -> np.ndarray:
    """Exponential numbers of rate lambd: -log(1 - u) / lambd."""
    return _in_blocks(count, dtype, lambda n: -1.0 / lambd * np.log1p(-_unit64(generator, n)))


def geometric(generator: Generator, count: int, dtype: np.dtype, p: float) -> np.ndarray:
    """The number of trials up to the first success: ceil(log(u) / log(1 - p))."""

    def draw(n: int) -> np.ndarray:
        with np.errstate(divide="ignore"):
            trials = np.ceil(np.log(_unit64(generator, n)) / math.log1p(-p))
        return trials if dtype.kind not in "iu" else trials.astype(np.int64)

    return _in_blocks(count, dtype, draw)


def cauchy(generator: Generator, count: int, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Cauchy numbers: median + sigma * tan(pi * (u - 1/2))."""
    return _in_blocks(count, dtype, lambda n: fma(np.tan(math.pi * (_unit64(generator, n) - 0.5)), sigma, median))


def log_normal(generator: Generator, count: int, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """exp of a normal number, always drawn one after the other in float64."""
    return _in_blocks(count, dtype, lambda n: np.exp(fma(_normal_pairs(generator, n), std, mean)))


def choices(generator: Generator, weights: np.ndarray, samples: int) -> np.ndarray:
    """Indices drawn with replacement, each with a probability in proportion to its weight: weights (rows, n) of
    float32 or float64 to int64 (rows, samples). A uniform number is looked up in the running sum of the weights."""
    out = np.empty((weights.shape[0], samples), np.int64)
    for row, target in zip(weights, out, strict=True):
        cumulative = np.cumsum(row, dtype=row.dtype)
        cumulative /= cumulative[-1]
        cumulative[-1] = 1
        target[...] = np.searchsorted(cumulative.astype(FLOAT64), _unit64(generator, samples), side="left")
    return out


def distinct_choices(generator: Generator, weights: np.ndarray, samples: int) -> np.ndarray:
    """Indices drawn without replacement, in the order drawn: weights (rows, n) to int64 (rows, samples).

    The largest of weight / Exp(1) falls on index i with a probability in proportion to weight i, and the next ones
    follow in the same way (the exponential form of the Gumbel trick).
    """
    noise = exponential(generator, weights.size, weights.dtype).reshape(weights.shape)
    with np.errstate(divide="ignore", over="ignore"):
        keys = weights / noise
    if samples == 1:
        return keys.argmax(axis=-1, keepdims=True)
    return np.ascontiguousarray(np.argsort(-keys, axis=-1, kind="stable")[:, :samples])
