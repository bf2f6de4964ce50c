"""Scalar functions written so that LLVM computes loops over them on whole vectors.

`math.exp` calls the C library once per element, which no compiler can turn into vector code. Written out, exp is
a dozen multiply-adds and a few bits:

    exp(x) = 2**n * exp(r)      n = x / ln 2 rounded,  r = x - n ln 2,  |r| <= ln(2) / 2 = 0.3466

exp(r) is its Taylor series up to the degree d after which the next term, 0.3466**(d+1) / (d+1)!, is far below half an ulp:
5e-9 for d = 7 (float32: half an ulp is 6e-8) and 4e-18 for d = 13 (float64: 1e-16). ln 2 is split into a short high part,
n times which is exact, and the rest (W. Cody, W. Waite: Software Manual for the Elementary Functions, 1980).

n is rounded by adding 1.5 * 2**23 (2**52 in float64), where the spacing of floats is 1: the sum's last bits then *are* the
integer n, and shifting them into the place of the exponent makes 2**n without any conversion.
"""

import math
from decimal import Decimal

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from .jit import inner

__all__ = ["add", "exp", "larger"]

LN2 = Decimal("0.693147180559945309417232121458176568")


def make_exp(dtype, integer, mantissa_bits, bias, ln2_high, degree, least):
    """exp of one float type, for x <= 88; below `least`, where the result would be subnormal, it is 0."""
    coefficients = tuple(dtype(1 / math.factorial(k)) for k in range(degree, -1, -1))
    per_ln2, ln2_high, ln2_low = (dtype(v) for v in (1 / math.log(2), ln2_high, LN2 - Decimal(ln2_high)))
    rounder, zero, least = dtype(1.5 * 2**mantissa_bits), dtype(0), dtype(least)
    one, mantissa_bits = integer(bias << mantissa_bits), integer(mantissa_bits)

    @inner(fastmath={"contract"})  # a * b + c may be fused, which only makes it more accurate
    def exp_(x):
        bounded = least if x < least else x  # written so that NaN passes
        rounded = bounded * per_ln2 + rounder
        n = rounded - rounder
        r = (bounded - n * ln2_high) - n * ln2_low
        series = coefficients[0]
        for coefficient in coefficients[1:]:
            series = series * r + coefficient
        power = integer((dtype(rounded).view(integer) << mantissa_bits) + one).view(dtype)
        return zero if x < least else series * power

    return exp_


exp32 = make_exp(np.float32, np.int32, 23, 127, 0.693359375, 7, -87.0)
exp64 = make_exp(np.float64, np.int64, 52, 1023, 0.693147180369123816490, 13, -708.0)


def exp(x):
    """e**x of a float32 or float64 scalar x <= 88, inside kernels."""
    raise NotImplementedError("exp is for compiled code")


@overload(exp)
def exp_of(x):
    return {types.float32: lambda x: exp32(x), types.float64: lambda x: exp64(x)}[x]


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
