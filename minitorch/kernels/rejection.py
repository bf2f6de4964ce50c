"""The samplers of `minitorch/rejection.py`, compiled as they stand there, over the twister's memory.

A source is (memory, spare): the generator's words, and the normal number kept back, [number, 1 if there is one].
"""

import math

import numpy as np

from .. import rejection
from .draws import WORDS, tempered, twist, unit64
from .jit import inner, njit
from .registry import accelerates_draw

U32, F64 = np.uint32, np.float64


@inner
def word(memory):
    position = np.int64(memory[WORDS])
    if position == WORDS:
        twist(memory)
        position = 0
    memory[WORDS] = U32(position + 1)
    return tempered(memory[position])


@inner
def uniform(source):
    memory, _ = source
    high = word(memory)
    return unit64(high, word(memory))


@inner
def normal(source):
    _, spare = source
    if spare[1] != 0.0:
        spare[1] = 0.0
        return spare[0]
    u1 = uniform(source)
    u2 = uniform(source)
    radius, theta = math.sqrt(-2.0 * math.log1p(-u2)), 2.0 * math.pi * u1
    spare[0], spare[1] = radius * math.sin(theta), 1.0
    return radius * math.cos(theta)


gamma = inner(rejection.make_gamma(uniform, normal))
poisson = inner(rejection.make_poisson(uniform, normal))
binomial = inner(rejection.make_binomial(uniform, normal, inner))


@njit
def fill_gamma(memory, spare, out, alpha):
    for i in range(len(out)):
        out[i] = gamma((memory, spare), alpha[i])


@njit
def fill_poisson(memory, spare, out, rate):
    for i in range(len(out)):
        out[i] = poisson((memory, spare), rate[i])


@njit
def fill_binomial(memory, spare, out, total, prob):
    for i in range(len(out)):
        out[i] = binomial((memory, spare), total[i], prob[i])


def filled(fill, generator, count, *parameters):
    out, spare = np.empty(count), np.zeros(2)
    with generator.lock:
        if generator.spare_normal is not None:
            spare[:] = generator.spare_normal, 1
        fill(generator.memory, spare, out, *[np.ascontiguousarray(p) for p in parameters])
        generator.spare_normal = float(spare[0]) if spare[1] else None
    return out


@accelerates_draw("gammas")
def gammas(generator, count, alpha):
    return filled(fill_gamma, generator, count, alpha)


@accelerates_draw("poissons")
def poissons(generator, count, rate):
    return filled(fill_poisson, generator, count, rate)


@accelerates_draw("binomials")
def binomials(generator, count, total, prob):
    return filled(fill_binomial, generator, count, total, prob)
