"""sin and cos of float32 numbers, computed in float64 vectors.

    x = k pi + r,  |r| <= pi/2          sin x = (-1)^k sin r           k whole
                                        cos x = -(-1)^(k - 1/2) sin r  k half a number more than a whole one

The reduction is where digits are lost: near a multiple of pi nothing of x is left but its last bits. In float32 it takes pi in
four parts (W. Cody, W. Waite: Software Manual for the Elementary Functions, 1980), and r is still rounded, so that the result is
off by 1.7 units in the last place. In float64 two parts do for k up to 2**20, and the result is off by 0.6: as much as rounding
it to float32 costs. The vectors have half as many numbers, but the sine of r needs four terms only,

    sin r = r (1 + s P(s)),  s = r * r

P fitted to a relative error of 6e-9 (by least squares that are weighted anew until all peaks of the error are alike).

k is rounded by adding 1.5 * 2**52, where the spacing of floats is 1 (see elementary.py): the last bit of the sum says whether k
is odd, and is moved into the place of the sign. 14 operations a number, on 8 bytes. What lies beyond LIMIT goes to the C library, a
block at a time.
"""

import math

import numpy as np

from ..core.op import REGISTRY
from .elementary import FUSED, larger
from .jit import inner, njit, take_many
from .pointwise import OPTIONS, TASK, each_element
from .registry import accelerates

__all__: list[str] = []

PER_PI, PI_HIGH, PI_LOW = 1 / math.pi, math.pi, 1.2246467991473532e-16
ROUNDER = 1.5 * 2**52
P3, P2, P1, P0 = 2.605780336722509e-06, -0.00019809602764762901, 0.008333066244167048, -0.16666659550348817
LIMIT = np.float32(2**20)
BLOCK = 1024
FLOAT32 = np.dtype(np.float32)


@inner(**FUSED)
def sine_of_rest(x, k, parity):
    """sin(x - k pi), with the sign turned if the last bit of `parity` is set."""
    r = (x - k * PI_HIGH) - k * PI_LOW
    s = r * r
    z = r * (1.0 + s * (((P3 * s + P2) * s + P1) * s + P0))  # so that -0 stays -0
    sign = np.float64(parity).view(np.int64) << np.int64(63)
    return np.float32(np.int64(np.float64(z).view(np.int64) ^ sign).view(np.float64))


@inner(**FUSED)
def sin(x):
    wide = np.float64(x)
    sum_ = wide * PER_PI + ROUNDER
    return sine_of_rest(wide, sum_ - ROUNDER, sum_)


@inner(**FUSED)
def cos(x):
    wide = np.float64(x)
    sum_ = (wide * PER_PI - 0.5) + ROUNDER
    return sine_of_rest(wide, (sum_ - ROUNDER) + 0.5, sum_ + 1.0)


def loop_over(function, exact):
    """The loop of one thread; exact: the function of the C library."""

    @njit(**OPTIONS)
    def loop(counter, x, out):
        start = take_many(counter, len(x), TASK)
        while start < len(x):
            for first in range(start, min(start + TASK, len(x)), BLOCK):
                a, b = x[first : first + BLOCK], out[first : first + BLOCK]
                greatest = np.float32(0)
                for i in range(len(a)):
                    greatest = larger(abs(a[i]), greatest)
                    b[i] = function(a[i])
                if greatest > LIMIT:
                    for i in range(len(a)):
                        b[i] = exact(np.float64(a[i]))
            start = take_many(counter, len(x), TASK)

    return loop


def accelerate(name, function, exact):
    loop, reference = loop_over(function, exact), REGISTRY[name].reference

    @accelerates(name)
    def kernel(input):
        return each_element(loop, 50, input) if input.dtype is FLOAT32 else reference(input)


accelerate("sin", sin, math.sin)
accelerate("cos", cos, math.cos)
