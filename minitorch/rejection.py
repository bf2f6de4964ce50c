"""Random numbers by rejection: a proposal is drawn, and drawn again until it is accepted.

How many words a number costs depends on the numbers, so these are loops over scalars, written once: `make_*` takes the
functions that draw a uniform and a normal number from a `source` and returns the sampler. The references below hand
them a `Generator`; `kernels/rejection.py` compiles the very same functions over the twister's memory.
Constants and precisions are torch's, so that its numbers come out: a parameter of float32 stays one where torch
computes with it in float32, and becomes a float64 where torch does that.

Sources: Marsaglia & Tsang 2000 (gamma); Hoermann 1993 (Poisson and binomial by transformed rejection); Knuth, Devroye
1986 (small Poisson rates; binomial numbers by waiting times).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .draws import draw
from .generator import Generator

F32, F64 = np.float32, np.float64
ONE, THIRD, SQUEEZE = F32(1), F32(1) / F32(3), F64(F32(0.0331))


def make_gamma(uniform: Callable, normal: Callable) -> Callable:
    def gamma(source, alpha):
        """A number of density x**(alpha - 1) exp(-x) / Gamma(alpha): d v accepted with v = (1 + c z)**3, z normal,
        d = alpha - 1/3, c = 1 / (3 sqrt(d)). Below 1, alpha + 1 is drawn and the result scaled by u**(1 / alpha)."""
        if alpha == 0:
            return F64(0)
        scale = F64(1)
        if alpha < ONE:
            scale = (F64(1) - uniform(source)) ** F64(ONE / alpha)
            alpha = alpha + ONE
        d = F64(alpha - THIRD)
        c = F64(1) / np.sqrt(F64(9) * d)
        while True:
            x = normal(source)
            y = F64(1) + c * x
            while y <= 0:
                x = normal(source)
                y = F64(1) + c * x
            v = y * y * y
            u = F64(1) - uniform(source)
            square = x * x
            if u < F64(1) - SQUEEZE * square * square:
                return scale * d * v
            if np.log(u) < F64(0.5) * square + d * (F64(1) - v + np.log(v)):
                return scale * d * v

    return gamma


def make_poisson(uniform: Callable, normal: Callable) -> Callable:
    def poisson(source, rate):
        """A count of probability rate**k exp(-rate) / k!, as float64."""
        if rate == 0:
            return F64(0)
        if rate < 10:  # how many uniform factors it takes to fall below exp(-rate), less one
            limit, product, count = np.exp(-rate), uniform(source), F64(0)
            while product > limit:
                count += F64(1)
                product *= uniform(source)
            return count
        b = F64(0.931) + F64(2.53) * np.sqrt(rate)
        a = F64(-0.059) + F64(0.02483) * b
        inverse_alpha = F64(1.1239) + F64(1.1328) / (b - F64(3.4))
        box = F64(0.9277) - F64(3.6224) / (b - F64(2))
        while True:
            u = uniform(source) - F64(0.5)
            v = uniform(source)
            us = F64(0.5) - np.abs(u)
            k = np.floor((F64(2) * a / us + b) * u + rate + F64(0.43))
            if us >= 0.07 and v <= box:
                return k
            if k < 0 or (us < 0.013 and v > us):
                continue
            likelihood = -rate + k * np.log(rate) - math.lgamma(k + F64(1))
            if np.log(v) + np.log(inverse_alpha) - np.log(a / (us * us) + b) <= likelihood:
                return k

    return poisson


# ln k! less Stirling's formula, for k = 0 .. 9.
STIRLING = np.array([0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                     0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                     0.00925546218271273, 0.00833056343336287])  # fmt: skip


def stirling_tail(k):
    """ln k! - ln(sqrt(2 pi) (k + 1)**(k + 1/2) exp(-k - 1)), for a whole k >= 0."""
    if k <= 9:
        return STIRLING[int(k)]
    square = (k + F64(1)) * (k + F64(1))
    return (F64(1 / 12) - (F64(1 / 360) - F64(1 / 1260) / square) / square) / (k + F64(1))


def make_binomial(uniform: Callable, normal: Callable, compiled: Callable = lambda function: function) -> Callable:
    tail = compiled(stirling_tail)

    @compiled
    def waiting_times(source, count, prob):
        """How many geometric waiting times fit into `count`."""
        log_failure, total, successes = np.log1p(-F64(prob)), F64(0), F64(0)
        while True:
            total += np.ceil(np.log(uniform(source)) / log_failure)
            if total > count:
                return successes
            successes += F64(1)

    @compiled
    def transformed(source, count, prob):
        """Hoermann's BTRS. The variance and the mean are computed in the parameters' type, all else in float64."""
        deviation = np.sqrt(F64(count * prob * (ONE - prob)))
        b = F64(1.15) + F64(2.53) * deviation
        a = F64(-0.0873) + F64(0.0248) * b + F64(0.01) * F64(prob)
        c = F64(count * prob) + F64(0.5)
        box = F64(0.92) - F64(4.2) / b
        odds = F64(prob / (ONE - prob))
        alpha = (F64(2.83) + F64(5.1) / b) * deviation
        n, more = F64(count), F64(count + ONE)
        mode = np.floor(F64((count + ONE) * prob))
        while True:
            u = uniform(source) - F64(0.5)
            v = uniform(source)
            us = F64(0.5) - np.abs(u)
            k = np.floor((F64(2) * a / us + b) * u + c)
            if k < 0 or k > n:
                continue
            if us >= 0.07 and v <= box:
                return k
            bound = (
                (mode + F64(0.5)) * np.log((mode + F64(1)) / (odds * (n - mode + F64(1))))
                + more * np.log((n - mode + F64(1)) / (n - k + F64(1)))
                + (k + F64(0.5)) * np.log(odds * (n - k + F64(1)) / (k + F64(1)))
                + (tail(mode) + tail(n - mode) - tail(k) - tail(n - k))
            )
            if np.log(v * alpha / (a / (us * us) + b)) <= bound:
                return k

    def binomial(source, count, prob):
        """The number of successes of probability `prob` in `count` trials, as float64."""
        if count <= 0 or prob <= 0:
            return F64(0)
        if prob >= 1:
            return F64(count)
        if prob != prob:
            return F64(np.nan)
        if prob <= 0.5:
            if count * prob >= 10:
                return transformed(source, count, prob)
            return waiting_times(source, count, prob)
        failure = ONE - prob
        if count * failure >= 10:
            return F64(count) - transformed(source, count, failure)
        return F64(count) - waiting_times(source, count, failure)

    return binomial


def _uniform(generator: Generator) -> np.float64:
    high, low = generator.words(2).tolist()
    return F64(((high << 32 | low) & (2**53 - 1)) * 2.0**-53)


def _normal(generator: Generator) -> np.float64:
    if generator.spare_normal is not None:
        number, generator.spare_normal = generator.spare_normal, None
        return F64(number)
    u1, u2 = _uniform(generator), _uniform(generator)
    radius, theta = np.sqrt(-2.0 * np.log1p(-u2)), 2.0 * math.pi * u1
    generator.spare_normal = float(radius * np.sin(theta))
    return radius * np.cos(theta)


def _each(sampler: Callable, generator: Generator, parameters: tuple) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.array([sampler(generator, *values) for values in zip(*parameters, strict=True)], F64)


_gamma, _poisson, _binomial = (make(_uniform, _normal) for make in (make_gamma, make_poisson, make_binomial))


@draw(least=1024)
def gammas(generator: Generator, count: int, alpha: np.ndarray) -> np.ndarray:
    """Gamma numbers of shape parameter alpha[i] and rate 1: float32 or float64 (count,) to float64 (count,)."""
    return _each(_gamma, generator, (alpha,))


@draw(least=1024)
def poissons(generator: Generator, count: int, rate: np.ndarray) -> np.ndarray:
    """Poisson numbers of mean rate[i]: float64 (count,) to float64 (count,)."""
    return _each(_poisson, generator, (rate,))


@draw(least=1024)
def binomials(generator: Generator, count: int, total: np.ndarray, prob: np.ndarray) -> np.ndarray:
    """Successes in total[i] trials of probability prob[i]: float32 or float64 (count,) to float64 (count,)."""
    return _each(_binomial, generator, (total, prob))
