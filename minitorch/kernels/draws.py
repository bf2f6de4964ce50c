"""The random draws of `minitorch/draws.py` in compiled loops: the same words of the stream, the same bits.

The twister's three loops and the tempering have no step that waits for the one before (the nearest dependence is
227 words back), so LLVM computes them on whole vectors: a word costs less than a nanosecond. Words are made in chunks that
stay in the L1 cache and turned into numbers there. The state is the generator's own memory, so kernels and references
can take turns; the generator's lock keeps two threads from drawing the same words.
"""

import math

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from .. import draws as reference
from .jit import inner, njit
from .registry import accelerates_draw

U32, U64, I32, F32, F64 = np.uint32, np.uint64, np.int32, np.float32, np.float64
CHUNK = 2048  # words made at a time


@intrinsic
def fma(typing, a, b, c):
    """a * b + c of three floats of one type, rounded once."""

    def generate(context, builder, signature, arguments):
        kind = context.get_data_type(signature.return_type)
        name = f"llvm.fma.f{signature.return_type.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, arguments)

    return a(a, b, c), generate


# The Mersenne Twister (Matsumoto & Nishimura 1998). memory: uint32 (625,), 624 words and the index of the next one.

WORDS, SHIFT = 624, 397
UPPER, LOWER, MATRIX = U32(0x80000000), U32(0x7FFFFFFF), U32(0x9908B0DF)
ONE, NONE = U32(1), U32(0)
TEMPER_B, TEMPER_C = U32(0x9D2C5680), U32(0xEFC60000)


@inner
def mixed(word, following, distant):
    y = (word & UPPER) | (following & LOWER)
    return distant ^ (y >> ONE) ^ (MATRIX if y & ONE else NONE)


@inner
def twist(memory):
    for i in range(WORDS - SHIFT):
        memory[i] = mixed(memory[i], memory[i + 1], memory[i + SHIFT])
    for i in range(WORDS - SHIFT, WORDS - 1):
        memory[i] = mixed(memory[i], memory[i + 1], memory[i - (WORDS - SHIFT)])
    memory[WORDS - 1] = mixed(memory[WORDS - 1], memory[0], memory[SHIFT - 1])


@inner
def tempered(y):
    y ^= y >> U32(11)
    y ^= (y << U32(7)) & TEMPER_B
    y ^= (y << U32(15)) & TEMPER_C
    return y ^ (y >> U32(18))


@inner
def take(memory, out):
    """Fill `out` (uint32) with the next words."""
    done, position = 0, np.int64(memory[WORDS])
    while done < len(out):
        if position == WORDS:
            twist(memory)
            position = 0
        count = min(WORDS - position, len(out) - done)
        words, part = memory[position : position + count], out[done : done + count]
        for i in range(count):
            part[i] = tempered(words[i])
        position += count
        done += count
    memory[WORDS] = U32(position)


@inner
def unit32(word):
    """float32 in [0, 1): the low 24 bits of a word."""
    return F32(I32(word) & I32(0xFFFFFF)) * F32(2.0**-24)


@inner
def unit64(high, low):
    """float64 in [0, 1): the low 53 bits of two words."""
    return (F64(I32(high) & I32(0x1FFFFF)) * 2.0**32 + F64(low)) * 2.0**-53


def filled(fill, generator, out, *parameters):
    """`out`, after fill(memory, out, *parameters)."""
    with generator.lock:
        fill(generator.memory, out, *parameters)
    return out


# Uniform numbers.


@njit
def fill_uniform32(memory, out, scale, shift):
    scale32, shift32 = F32(scale), F32(shift)
    words = np.empty(CHUNK, U32)
    for first in range(0, len(out), CHUNK):
        part = out[first : first + CHUNK]
        take(memory, words[: len(part)])
        for i in range(len(part)):
            part[i] = fma(unit32(words[i]), scale32, shift32)


@accelerates_draw("uniform32")
def uniform32(generator, count, scale=1.0, shift=0.0):
    return filled(fill_uniform32, generator, np.empty(count, F32), float(scale), float(shift))


@njit
def fill_uniform64(memory, out, scale, shift):
    words = np.empty(2 * CHUNK, U32)
    for first in range(0, len(out), CHUNK):
        part = out[first : first + CHUNK]
        take(memory, words[: 2 * len(part)])
        for i in range(len(part)):
            part[i] = fma(unit64(words[2 * i], words[2 * i + 1]), scale, shift)


@accelerates_draw("uniform64")
def uniform64(generator, count, scale=1.0, shift=0.0):
    return filled(fill_uniform64, generator, np.empty(count, F64), float(scale), float(shift))


@njit
def fill_bernoulli(memory, out, p):
    words = np.empty(2 * CHUNK, U32)
    for first in range(0, len(out), CHUNK):
        part = out[first : first + CHUNK]
        take(memory, words[: 2 * len(part)])
        for i in range(len(part)):
            part[i] = unit64(words[2 * i], words[2 * i + 1]) < p


@accelerates_draw("bernoulli")
def bernoulli(generator, count, p):
    return filled(fill_bernoulli, generator, np.empty(count, np.bool_), float(p))


# Normal numbers. The float32 functions are Cephes', as in the reference, one float32 operation for one there.

LOG, SIN, COS = (tuple(F32(c) for c in coefficients) for coefficients in (reference.LOG, reference.SIN, reference.COS))
LN2_LOW, LN2_HIGH, SQRT_HALF = F32(reference.LN2_LOW), F32(reference.LN2_HIGH), F32(reference.SQRT_HALF)
FOUR_OVER_PI, TWO_PI32 = F32(reference.FOUR_OVER_PI), F32(2 * math.pi)
PI_PARTS = tuple(F32(part) for part in reference.MINUS_QUARTER_PI)
EXPONENT_ONE, HALF_BITS, MANTISSA = I32(126), I32(0x3F000000), I32(0x007FFFFF)


@inner
def horner(x, coefficients):
    y = coefficients[0]
    for c in coefficients[1:]:
        y = fma(y, x, c)
    return y


@inner
def log32(x):
    bits = F32(x).view(I32)
    mantissa = I32((bits & MANTISSA) | HALF_BITS).view(F32)  # in [1/2, 1)
    exponent = (bits >> I32(23)) - EXPONENT_ONE
    small = mantissa < SQRT_HALF
    f = (mantissa - F32(1)) + (mantissa if small else F32(0))
    e = F32(I32(exponent - (1 if small else 0)))
    square = f * f
    y = horner(f, LOG) * f
    y = fma(y, square, e * LN2_LOW)
    y = fma(F32(-0.5), square, y)
    return fma(e, LN2_HIGH, f + y)


@inner
def sincos32(x):
    octant = I32(x * FOUR_OVER_PI)
    octant = I32(octant + (octant & I32(1)))
    steps = F32(octant)
    for part in PI_PARTS:
        x = fma(steps, part, x)
    square = x * x
    cos = horner(square, COS) * square
    cos = fma(cos, square, F32(-0.5) * square) + F32(1)
    sin = fma(horner(square, SIN) * square, x, x)
    swapped = (octant & I32(2)) != 0
    sin_x, cos_x = (cos, sin) if swapped else (sin, cos)
    return (-sin_x if octant & I32(4) else sin_x), (-cos_x if (octant + I32(2)) & I32(4) else cos_x)


@njit
def fill_normal32(memory, out, mean, std):
    mean32, std32 = F32(mean), F32(std)
    words, radius, angle = np.empty(CHUNK, U32), np.empty(CHUNK // 2, F32), np.empty(CHUNK // 2, F32)
    for first in range(0, len(out), CHUNK):
        part = out[first : first + CHUNK]
        take(memory, words[: len(part)])
        for block in range(0, len(part), 16):
            for j in range(8):
                radius[block // 2 + j] = unit32(words[block + j])
                angle[block // 2 + j] = unit32(words[block + 8 + j])
        for i in range(len(part) // 2):
            radius[i] = np.sqrt(F32(-2) * log32(F32(1) - radius[i]))
        for i in range(len(part) // 2):
            sin, cos = sincos32(TWO_PI32 * angle[i])
            angle[i], radius[i] = radius[i] * sin, radius[i] * cos
        for block in range(0, len(part), 16):
            for j in range(8):
                part[block + j] = fma(radius[block // 2 + j], std32, mean32)
                part[block + 8 + j] = fma(angle[block // 2 + j], std32, mean32)


@accelerates_draw("normal32")
def normal32(generator, count, mean=0.0, std=1.0):
    return filled(fill_normal32, generator, np.empty(count, F32), float(mean), float(std))


@njit
def fill_normal64(memory, out, mean, std):
    words = np.empty(32, U32)
    for block in range(0, len(out), 16):
        take(memory, words)
        for j in range(8):
            u1, u2 = unit64(words[2 * j], words[2 * j + 1]), unit64(words[2 * j + 16], words[2 * j + 17])
            radius, theta = math.sqrt(-2.0 * math.log(1.0 - u1)), 2.0 * math.pi * u2
            out[block + j] = fma(radius * math.cos(theta), std, mean)
            out[block + j + 8] = fma(radius * math.sin(theta), std, mean)


@accelerates_draw("normal64")
def normal64(generator, count, mean=0.0, std=1.0):
    return filled(fill_normal64, generator, np.empty(count, F64), float(mean), float(std))


@njit
def fill_pairs(memory, out, mean, std):
    """Returns the number that is left over when `out` has an odd number of elements."""
    words, spare = np.empty(4, U32), 0.0
    for i in range(0, len(out), 2):
        take(memory, words)
        u1, u2 = unit64(words[0], words[1]), unit64(words[2], words[3])
        radius, theta = math.sqrt(-2.0 * math.log1p(-u2)), 2.0 * math.pi * u1
        out[i], spare = fma(radius * math.cos(theta), std, mean), radius * math.sin(theta)
        if i + 1 < len(out):
            out[i + 1] = fma(spare, std, mean)
    return spare


@accelerates_draw("normal_pairs")
def normal_pairs(generator, count, mean=0.0, std=1.0):
    out = np.empty(count)
    with generator.lock:
        first = 0
        if count and generator.spare_normal is not None:
            out[:1] = reference.fma(np.array([generator.spare_normal]), std, mean)
            generator.spare_normal, first = None, 1
        spare = fill_pairs(generator.memory, out[first:], float(mean), float(std))
        if (count - first) % 2:
            generator.spare_normal = spare
    return out


# Integers and permutations.


@inner
def remainder(dividend, divisor, inverse):
    """dividend modulo divisor for whole float64 numbers below 2**32 and inverse = 1 / divisor: the quotient is off by
    one at most, and every product is exact."""
    rest = dividend - math.floor(dividend * inverse) * divisor
    rest += divisor if rest < 0.0 else 0.0
    return rest - (divisor if rest >= divisor else 0.0)


@njit
def fill_remainders(memory, out, extent, low):
    words, divisor, inverse = np.empty(CHUNK, U32), F64(extent), 1.0 / extent
    for first in range(0, len(out), CHUNK):
        part = out[first : first + CHUNK]
        take(memory, words[: len(part)])
        for i in range(len(part)):
            part[i] = I32(remainder(F64(words[i]), divisor, inverse)) + low


@njit
def fill_long_remainders(memory, out, extent, low):
    words = np.empty(2 * CHUNK, U32)
    for first in range(0, len(out), CHUNK):
        part = out[first : first + CHUNK]
        take(memory, words[: 2 * len(part)])
        mask = extent - U64(1)
        if extent & mask:
            for i in range(len(part)):
                part[i] = np.int64((U64(words[2 * i]) << U64(32) | U64(words[2 * i + 1])) % extent) + low
        else:  # a power of two
            for i in range(len(part)):
                part[i] = np.int64((U64(words[2 * i]) << U64(32) | U64(words[2 * i + 1])) & mask) + low


@accelerates_draw("remainders")
def remainders(generator, count, extent, low, long):
    if long:
        return filled(fill_long_remainders, generator, np.empty(count, np.int64), U64(extent), np.int64(low))
    return filled(fill_remainders, generator, np.empty(count, np.int64), np.int64(extent), np.int64(low))


@njit
def fill_permutation(memory, order):
    words, partners = np.empty(CHUNK, U32), np.empty(CHUNK, I32)
    count = len(order)
    for i in range(count):
        order[i] = i
    for first in range(0, count - 1, CHUNK):
        drawn = min(CHUNK, count - 1 - first)
        take(memory, words[:drawn])
        for i in range(drawn):
            left = F64(I32(count - first) - I32(i))
            partners[i] = I32(remainder(F64(words[i]), left, 1.0 / left))
        for i in range(drawn):
            a, b = first + i, first + i + partners[i]
            order[a], order[b] = order[b], order[a]


@accelerates_draw("permutation")
def permutation(generator, count):
    if count >= reference.LONG_PERMUTATION:
        return reference.permutation.reference(generator, count)
    return filled(fill_permutation, generator, np.empty(count, np.int64))
