"""The incomplete gamma functions, regularized: igamma P(a, x) and igammac Q(a, x) = 1 - P(a, x).

P by its power series where x < a + 1, Q by its continued fraction elsewhere (Abramowitz & Stegun 6.5.29 and 6.5.31;
the fraction by Lentz's method, Thompson & Barnett 1986), and the other one as the difference from 1.
Half precision and float32 are computed in float64.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.op import ELEMENTWISE, FLOATING_ONLY, op
from .special import lgamma_of, stirling_series

STEPS = 100_000  # about 6 sqrt(a) are needed
SMALL = 1e-300


def _density(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x**a exp(-x) / Gamma(a + 1). From a = 10 on by Stirling's formula, in which the large terms cancel beforehand:
    exp(a (ln(1 + m) - m)) / sqrt(2 pi a) with m = (x - a) / a."""
    small = np.exp(a * np.log(x) - x - lgamma_of(a + 1))
    m = (x - a) / a
    large = np.exp(a * (np.log1p(m) - m) - stirling_series(a)) / np.sqrt(2 * math.pi * a)
    return np.where(a < 10, small, large)


def _series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """1 + x / (a + 1) + x**2 / ((a + 1) (a + 2)) + ..."""
    term, total = np.ones_like(x), np.ones_like(x)
    for n in range(1, STEPS):
        term = term * (x / (a + n))
        total += term
        if not (term > total * 1e-17).any():
            break
    return total


def _fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...)))"""
    b = x + 1 - a
    c = np.full_like(x, 1 / SMALL)
    d = 1 / b
    value = d.copy()
    for n in range(1, STEPS):
        numerator = -n * (n - a)
        b = b + 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        step = c * d
        value *= step
        if not (np.abs(step - 1) > 3e-16).any():
            break
    return value


def regularized(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P(a, x), Q(a, x)) in float64; nan for negative arguments and for a = x = 0."""
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    lower, upper = np.full(a.shape, np.nan), np.full(a.shape, np.nan)
    with np.errstate(all="ignore"):
        allowed = ~((a < 0) | (x < 0))  # at the edges torch lets the other argument be nan
        for p, at in (
            (0.0, allowed & ((a != 0) & (x == 0) | (a == np.inf) & (x != np.inf))),
            (1.0, allowed & ((a == 0) & (x > 0) | (a != 0) & (a != np.inf) & (x == np.inf))),
        ):
            lower[at], upper[at] = p, 1 - p
        inside = (a > 0) & (a < np.inf) & (x > 0) & (x < np.inf)
        near, far = inside & (x < a + 1), inside & (x >= a + 1)
        lower[near] = _density(a[near], x[near]) * _series(a[near], x[near])
        upper[near] = 1 - lower[near]
        upper[far] = _density(a[far], x[far]) * a[far] * _fraction(a[far], x[far])
        lower[far] = 1 - upper[far]
    return lower, upper


def _slope(a, x):
    """The derivative of P by x: x**(a - 1) exp(-x) / Gamma(a)."""
    return ((a - 1) * x.log() - x - a.lgamma()).exp()


@op(
    ELEMENTWISE,
    torch=("igamma", "special.gammainc"),
    numbers=(),
    dtype=FLOATING_ONLY,
    vjp=dict(other=lambda g, input, other: g * _slope(input, other)),
)
def igamma(input, other):
    """z = 1 / Gamma(a) * integral of t^(a-1) e^(-t) from 0 to x, with a = input > 0 and x = other >= 0; no derivative
    by a, as in torch"""
    return regularized(input, other)[0].astype(input.dtype)


@op(
    ELEMENTWISE,
    torch=("igammac", "special.gammaincc"),
    numbers=(),
    dtype=FLOATING_ONLY,
    vjp=dict(other=lambda g, input, other: -g * _slope(input, other)),
)
def igammac(input, other):
    """z = 1 / Gamma(a) * integral of t^(a-1) e^(-t) from x to inf, with a = input > 0 and x = other >= 0; no derivative
    by a, as in torch"""
    return regularized(input, other)[1].astype(input.dtype)
