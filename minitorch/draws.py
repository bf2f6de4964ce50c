"""The draws beneath every sampler: words of the random stream, turned into numbers of one kind.

A function declared with `@draw` is the readable reference in NumPy; its `kernel` may be a compiled one instead, which
takes the same words from the generator and gives the same bits (`kernels/draws.py`; `kernels.use` selects). All of a
stream depends on details, so they are kept as torch has them: how many words a number costs, which bits of a word
count, and where a multiplication is fused with an addition (torch's x86 kernels round `a * b + c` once).

Sources: Box & Muller 1958 (normal numbers); Moshier's Cephes library (the float32 logarithm, sine and cosine);
Fisher & Yates 1938, Durstenfeld 1964 (permutations).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .generator import Generator
from .rounding import FLOAT32, FLOAT64, as_type, fma

# Numbers are made in blocks that stay in the processor's cache; a multiple of 16, the block of Box-Muller.
BLOCK = 8192


class Draw:
    """`draw(generator, count, *parameters)` runs `kernel`, which is `reference` until another one is selected.

    least: so many numbers are worth loading Numba for.
    """

    def __init__(self, reference: Callable[..., np.ndarray], least: int) -> None:
        self.__doc__ = reference.__doc__
        self.module = reference.__module__.rpartition(".")[2]  # its kernel is in kernels/, in a file of the same name
        self.reference = self.kernel = reference
        self.least = least

    def __call__(self, generator: Generator, count: int, *parameters) -> np.ndarray:
        return self.kernel(generator, count, *parameters)


DRAWS: dict[str, Draw] = {}


def draw(*, least: int = 4096) -> Callable[[Callable[..., np.ndarray]], Draw]:
    """Declare the decorated function (generator, count, *parameters) -> (count,) to be a draw."""

    def declare(reference: Callable[..., np.ndarray]) -> Draw:
        declared = DRAWS[reference.__name__] = Draw(reference, least)
        return declared

    return declare


def in_blocks(count: int, dtype: np.dtype, make: Callable[[int], np.ndarray]) -> np.ndarray:
    """`count` numbers as `dtype`, of which `make(n)` gives the next n."""
    if count <= BLOCK:
        return as_type(make(count), dtype)
    out = np.empty(count, dtype)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        out[start:stop] = as_type(make(stop - start), dtype)
    return out


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


def _scaled(numbers: np.ndarray, scale, shift) -> np.ndarray:
    return numbers if scale == 1 and shift == 0 else fma(numbers, scale, shift)


@draw()
def uniform32(generator: Generator, count: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """u * scale + shift in float32, u uniform in [0, 1): the low 24 bits of a word."""
    a, b = FLOAT32.type(scale), FLOAT32.type(shift)
    return in_blocks(count, FLOAT32, lambda n: _scaled(_unit32(generator, n), a, b))


@draw()
def uniform64(generator: Generator, count: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """u * scale + shift in float64, u uniform in [0, 1): the low 53 bits of two words."""
    return in_blocks(count, FLOAT64, lambda n: _scaled(_unit64(generator, n), scale, shift))


@draw()
def bernoulli(generator: Generator, count: int, p: float) -> np.ndarray:
    """True with probability p: a float64 uniform number is compared with it."""
    return in_blocks(count, np.dtype(np.bool_), lambda n: _unit64(generator, n) < p)


# Normal numbers by Box-Muller.


@draw()
def normal_pairs(generator: Generator, count: int, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """z * std + mean in float64, z drawn in pairs, r cos t and then r sin t; the odd one out is kept for the next call."""
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
    return fma(out, std, mean)


@draw()
def normal64(generator: Generator, count: int, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """z * std + mean in float64, z made in blocks of sixteen uniform numbers: u_j and u_(j+8) give r cos t, r sin t."""

    def make(n: int) -> np.ndarray:
        u1, u2 = _unit64(generator, n).reshape(-1, 2, 8).swapaxes(0, 1)
        radius = np.sqrt(-2.0 * np.log(1.0 - u1))
        theta = 2.0 * math.pi * u2
        return fma(np.stack((radius * np.cos(theta), radius * np.sin(theta)), axis=1).reshape(-1), std, mean)

    return in_blocks(count, FLOAT64, make)


@draw()
def normal32(generator: Generator, count: int, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """The same in float32, with the logarithm, sine and cosine that torch's vector code computes."""
    shift, scale = FLOAT32.type(mean), FLOAT32.type(std)

    def make(n: int) -> np.ndarray:
        u1, u2 = _unit32(generator, n).reshape(-1, 2, 8).swapaxes(0, 1)
        radius = np.sqrt(FLOAT32.type(-2) * _log32(FLOAT32.type(1) - u1))
        sin, cos = _sincos32(FLOAT32.type(2 * math.pi) * u2)
        return fma(np.stack((radius * cos, radius * sin), axis=1).reshape(-1), scale, shift)

    return in_blocks(count, FLOAT32, make)


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

# From this range on the remainder of one word would be visibly uneven, so a number costs two words.
LONG_RANGE = 2**28
# A permutation of so many elements is drawn from 64-bit words.
LONG_PERMUTATION = (2**32 - 1) // 20


@draw()
def remainders(generator: Generator, count: int, extent: int, low: int, long: bool) -> np.ndarray:
    """word modulo extent, plus low, in int64; `long` words have 64 bits, the others 32 (extent <= 2**31)."""
    words = generator.long_words if long else generator.words

    def make(n: int) -> np.ndarray:
        values = (words(n) % np.uint64(extent)).view(np.int64)
        values += low
        return values

    return in_blocks(count, np.dtype(np.int64), make)


@draw()
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
