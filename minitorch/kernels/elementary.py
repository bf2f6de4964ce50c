"""Scalar functions written so that LLVM computes loops over them on whole vectors.

`math.exp` calls the C library once per element, which no compiler can turn into vector code. Written out, exp is
a dozen multiply-adds and a few bits:

    exp(x) = 2**n * exp(r)      n = x / ln 2 rounded,  r = x - n ln 2,  |r| <= ln(2) / 2 = 0.3466

exp(r) is its Taylor series up to the degree d after which the next term, 0.3466**(d+1) / (d+1)!, is far below half an ulp:
5e-9 for d = 7 (float32: half an ulp is 6e-8) and 4e-18 for d = 13 (float64: 1e-16). ln 2 is split into a short high part,
n times which is exact, and the rest (W. Cody, W. Waite: Software Manual for the Elementary Functions, 1980).

n is rounded by adding 1.5 * 2**23 (2**52 in float64), where the spacing of floats is 1: the sum's last bits then *are* the
integer n, and shifting them into the place of the exponent makes 2**n without any conversion. 2**n is multiplied in as two
halves, so that results near both ends of the range come out right: infinity, and numbers below the smallest normal one.

From exp follow the others. e**x - 1 keeps the small numbers apart that exp loses beside its 1:

    expm1(x) = 2**n * (exp(r) - 1) + (2**n - 1)

and the tail of the normal distribution is a bell times a slowly varying factor R, a polynomial in t = 1 / (1 + |x| / 2)
(after M. Abramowitz, I. Stegun: Handbook of Mathematical Functions, 1964, 7.1.26; the coefficients here are a weighted
least-squares fit to 4e-8 on 0 <= x <= 9.5):

    erfc(x) = exp(-x**2) R(x), x >= 0

Where an absolute error of half an ulp of 1 is enough, as in gelu(x) = x Phi(x), which torch computes from erf, Phi needs no
exponential at all: (Phi(x) - 1/2) / x is a smooth even function, here a quotient of two polynomials in x**2, fitted to 7e-9 by
least squares that are weighted anew until all peaks of the error are alike (a third of the operations).

log1p needs no bits for the numbers 0 <= t <= 1 that activations have: with s = t / (2 + t) <= 1/3,

    ln(1 + t) = 2 artanh(s) = 2 (s + s**3 / 3 + s**5 / 5 + ...)

In float64, R would need a polynomial three times as long: there the C library computes erfc, one element at a time.
"""

import math
from decimal import Decimal

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from .jit import inner

__all__ = ["add", "cumulative", "exp", "expm1", "larger", "log1p", "normal", "tanh"]

LN2 = Decimal("0.693147180559945309417232121458176568")


FUSED = dict(
    fastmath={"contract"}, error_model="numpy", forceinline=True
)  # a * b + c may be rounded once; division does not raise


def make_exp(dtype, integer, mantissa_bits, bias, ln2_high, degree, range_):
    """exp and expm1 of one float type; outside of `range_` exp is 0 or infinity."""
    coefficients = tuple(dtype(1 / math.factorial(k)) for k in range(degree, -1, -1))
    per_ln2, ln2_high, ln2_low = (dtype(v) for v in (1 / math.log(2), ln2_high, LN2 - Decimal(ln2_high)))
    rounder = dtype(1.5 * 2**mantissa_bits)
    least, most = dtype(range_[0]), dtype(range_[1])
    zero_bits, bias, shift, half = rounder.view(integer), integer(bias), integer(mantissa_bits), dtype(0.5)
    last, before_last = coefficients[-1], coefficients[:-1]

    @inner(**FUSED)
    def reduce(x):
        """2**n as two factors, r, and (exp(r) - 1) / r."""
        bounded = least if x < least else x  # written so that NaN passes
        bounded = most if bounded > most else bounded
        rounded = bounded * per_ln2 + rounder
        n = rounded - rounder
        r = (bounded - n * ln2_high) - n * ln2_low
        series = before_last[0]
        for coefficient in before_last[1:]:
            series = series * r + coefficient
        whole, part = (
            dtype(rounded).view(integer),
            dtype(n * half + rounder).view(integer),
        )  # n and n // 2, in the last bits
        first = integer((part - zero_bits + bias) << shift).view(dtype)
        return first, integer((whole - part + bias) << shift).view(dtype), r, series

    @inner(**FUSED)
    def exp_(x):
        first, second, r, series = reduce(x)
        return (series * r + last) * first * second

    @inner(**FUSED)
    def expm1_(x):
        first, second, r, series = reduce(x)
        power = first * second
        return power * (series * r) + (power - last)

    return exp_, expm1_


exp32, expm1_32 = make_exp(np.float32, np.int32, 23, 127, 0.693359375, 7, (-104.0, 89.0))
exp64, expm1_64 = make_exp(np.float64, np.int64, 52, 1023, 0.693147180369123816490, 13, (-746.0, 710.0))

ZERO32, ONE32, HALF32, ROOT_HALF32 = (np.float32(v) for v in (0, 1, 0.5, math.sqrt(0.5)))
TANH = (0.00206073422, -0.00811364536, 0.0216894653, -0.0539481807, 0.133332502, -0.333333328)
TANH32 = tuple(np.float32(c) for c in TANH)
TWO32, NEAR32, LIMIT32 = np.float32(2), np.float32(0.7), np.float32(10)  # tanh(10) rounds to 1


@inner(**FUSED)
def tanh32(x):
    """An odd polynomial near 0, fitted as TAIL below; 1 - 2 / (exp(2 |x|) + 1) elsewhere."""
    square = x * x
    series = TANH32[0]
    for coefficient in TANH32[1:]:
        series = series * square + coefficient
    size = x if x > ZERO32 else -x
    size = LIMIT32 if size > LIMIT32 else size
    far = ONE32 - TWO32 / (exp32(size + size) + ONE32)
    return x + x * square * series if size < NEAR32 else far if x > ZERO32 else -far


@inner(**FUSED)
def tanh64(x):
    """e / (e + 2) with e = exp(2 x) - 1."""
    double = x + x
    double = 44.0 if double > 44.0 else double
    e = expm1_64(-44.0 if double < -44.0 else double)
    return e / (e + 2.0)


def make_log1p(dtype, terms):
    """log1p on [0, 1]; the first term left out, 3**-(2 * terms) / (2 * terms + 1), is below half an ulp."""
    first, *coefficients = (dtype(2 / (2 * k + 1)) for k in range(terms - 1, -1, -1))
    rest, two = tuple(coefficients), dtype(2)

    @inner(**FUSED)
    def log1p_(t):
        s = t / (two + t)
        square = s * s
        series = first
        for coefficient in rest:
            series = series * square + coefficient
        return s * series

    return log1p_


log1p_32, log1p_64 = make_log1p(np.float32, 7), make_log1p(np.float64, 16)

TAIL = (
    -0.0588909583, 0.283702809, -0.485385338, 0.275979875, -0.0251787578, 0.202070239, 0.243260918, 0.282353495,
    0.282087676,
)  # fmt: skip
TAIL32 = tuple(np.float32(c) for c in TAIL)


@inner(**FUSED)
def upper_tail32(x):
    """1 - Phi(x) for x >= 0, and exp(-x**2 / 2); Phi is the cumulative normal distribution."""
    t = ONE32 / (ONE32 + HALF32 * (x * ROOT_HALF32))
    series = TAIL32[0]
    for coefficient in TAIL32[1:]:
        series = series * t + coefficient
    bell = exp32(-HALF32 * x * x)
    return HALF32 * bell * (series * t), bell


CENTRE = (2.275075358500248e-08, 6.3518390635840595e-06, 0.0001687988701742783, 0.004677095869309832, 0.033850116679149146,
          0.3989422347840687)  # fmt: skip
UNDER = (
    1.1975241619258585e-06,
    7.363842872872943e-05,
    0.0018842931335547968,
    0.02864439859516381,
    0.25151558010833386,
    1.0,
)
CENTRE32, UNDER32 = tuple(np.float32(c) for c in CENTRE), tuple(np.float32(c) for c in UNDER)
FIVE32 = np.float32(5.5)  # 1 - Phi(5.5) = 2e-8


@inner(**FUSED)
def cumulative32(x):
    near = -FIVE32 if x < -FIVE32 else x  # written so that NaN passes
    near = FIVE32 if near > FIVE32 else near
    square = near * near
    above, below = CENTRE32[0], UNDER32[0]
    for coefficient in CENTRE32[1:]:
        above = above * square + coefficient
    for coefficient in UNDER32[1:]:
        below = below * square + coefficient
    middle = HALF32 + near * (above / below)
    return ZERO32 if x < -FIVE32 else ONE32 if x > FIVE32 else middle


@inner(**FUSED)
def cumulative64(x):
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


@inner(**FUSED)
def normal32(x):
    tail, bell = upper_tail32(x if x > ZERO32 else -x)
    return (ONE32 - tail if x > ZERO32 else tail), bell


@inner(**FUSED)
def normal64(x):
    return 0.5 * math.erfc(-x * math.sqrt(0.5)), exp64(-0.5 * x * x)


def by_type(name, float32, float64, doc):
    """A function for kernels only, which is one of the two by the type of its argument."""

    def function(x):
        raise NotImplementedError(f"{name} is for compiled code")

    function.__name__, function.__doc__ = name, doc
    overload(function, jit_options=FUSED)(
        lambda x: {types.float32: lambda x: float32(x), types.float64: lambda x: float64(x)}[x]
    )
    return function


exp = by_type("exp", exp32, exp64, "e**x of a float32 or float64 scalar, inside kernels.")
expm1 = by_type("expm1", expm1_32, expm1_64, "e**x - 1 of a scalar x <= 88, inside kernels.")
log1p = by_type("log1p", log1p_32, log1p_64, "ln(1 + t) of a scalar 0 <= t <= 1, inside kernels.")
tanh = by_type("tanh", tanh32, tanh64, "tanh of a scalar, inside kernels.")
cumulative = by_type(
    "cumulative", cumulative32, cumulative64, "Phi(x) of a scalar to half an ulp of 1, inside kernels."
)
normal = by_type("normal", normal32, normal64, "(Phi(x), exp(-x**2 / 2)) of a scalar, inside kernels.")


@inner(fastmath={"reassoc", "nsz"})
def add(a, b):
    """a + b, in a sum whose order does not matter: lets LLVM keep several partial sums, in vectors."""
    return a + b


@intrinsic
def larger(typing, a, b):
    """The larger of two floats, with a NaN either: a maximum that LLVM may take in any order, in vectors."""

    def generate(context, builder, signature, arguments):
        flags = ("nnan", "nsz")
        return builder.select(builder.fcmp_ordered(">", *arguments, flags=flags), *arguments, flags=flags)

    return a(a, b), generate
