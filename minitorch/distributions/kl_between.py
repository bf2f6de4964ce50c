"""Divergences between distributions of different families: -H(p) - E_p[ln q(X)], from the moments of p.

Where p has events that q cannot have, the divergence is infinite.
"""

from __future__ import annotations

import math

from ..ops.comparison import where
from ..ops.creation import full_like
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

LOG_2PI = math.log(2 * math.pi)


def _infinite(of, *others):
    """Register inf for p of a family whose parameter `name` has the shape of the batch."""
    cls, name = of
    for other in others:
        register_kl(cls, other)(lambda p, q: full_like(getattr(p, name), math.inf))


_infinite((Exponential, "rate"), Beta, Uniform)
_infinite((Gamma, "concentration"), Beta, Uniform)
_infinite((Gumbel, "loc"), Beta, Exponential, Gamma, Uniform)
_infinite((Laplace, "loc"), Beta, Exponential, Gamma, Uniform)
_infinite((Normal, "loc"), Beta, Exponential, Gamma, Uniform)
_infinite((Poisson, "rate"), Bernoulli, Binomial)


def _x_log_x(x):
    return x.xlogy(x)


def _mean_log(low, high):
    """E[ln X] for X uniform on [low, high]: (high ln high - low ln low) / (high - low) - 1."""
    return (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1


def _normalizer(q: Gamma):
    """-(a ln r - ln Gamma(a))"""
    return q.concentration.lgamma() - q.concentration * q.rate.log()


def _from_normal(q: Normal, mean, variance):
    """-E[ln q(X)] for X of this mean and variance."""
    return 0.5 * LOG_2PI + q.scale.log() + 0.5 * (variance + (mean - q.loc).pow(2)) / q.scale.pow(2)


@register_kl(Bernoulli, Poisson)
def _(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, Exponential)
def _(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Beta, Gamma)
def _(p, q):
    mean_log = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _normalizer(q) - (q.concentration - 1) * mean_log + q.rate * p.mean


@register_kl(Beta, Normal)
def _(p, q):
    return -p.entropy() + _from_normal(q, p.mean, p.variance)


@register_kl(Beta, Uniform)
def _(p, q):
    return where((q.low > 0) | (q.high < 1), math.inf, -p.entropy() + (q.high - q.low).log())


@register_kl(Exponential, Gamma)
def _(p, q):
    ratio, a = q.rate / p.rate, q.concentration
    return ratio - a * ratio.log() + a.lgamma() + a * euler_constant - (1 + euler_constant)


@register_kl(Exponential, Gumbel)
def _(p, q):
    """E[exp(-X / s)] = r s / (r s + 1), p of rate r, q of scale s."""
    product, shift = p.rate * q.scale, q.loc / q.scale
    return product.log() - 1 - shift + shift.exp() * product / (product + 1) + product.reciprocal()


@register_kl(Exponential, Normal)
def _(p, q):
    return -p.entropy() + _from_normal(q, p.mean, p.variance)


@register_kl(Gamma, Exponential)
def _(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Gamma, Gumbel)
def _(p, q):
    """E[exp(-X / s)] = (1 + 1 / (r s))**-a, p of concentration a and rate r, q of scale s."""
    product, shift, a = p.rate * q.scale, q.loc / q.scale, p.concentration
    own = (a - 1) * a.digamma() - a.lgamma() - a
    return own + product.log() + a / product + shift.exp() * (1 + product.reciprocal()).pow(-a) - shift


@register_kl(Gamma, Normal)
def _(p, q):
    return -p.entropy() + _from_normal(q, p.mean, p.variance)


@register_kl(Gumbel, Normal)
def _(p, q):
    return -p.entropy() + _from_normal(q, p.mean, p.variance)


@register_kl(Laplace, Normal)
def _(p, q):
    return -p.entropy() + _from_normal(q, p.mean, p.variance)


@register_kl(Normal, Gumbel)
def _(p, q):
    """E[exp(-X / s)] = exp(-m / s + (d / s)**2 / 2), p of mean m and deviation d, q of scale s."""
    ratio, shift = (p.scale / q.scale).pow(2), (p.loc - q.loc) / q.scale
    return shift + (-shift + 0.5 * ratio).exp() - 0.5 * ratio.log() - 0.5 * (1 + LOG_2PI)


@register_kl(Normal, Laplace)
def _(p, q):
    """E|X - n| = d sqrt(2 / pi) exp(-z**2 / 2) + (m - n) erf(z / sqrt(2)), z = (m - n) / d."""
    difference = p.loc - q.loc
    z = difference / p.scale
    distance = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp() + difference * (math.sqrt(0.5) * z).erf()
    return distance / q.scale - (p.scale / q.scale).log() - 0.5 * (1 + math.log(0.5 * math.pi))


@register_kl(Uniform, Beta)
def _(p, q):
    a, b = q.concentration1, q.concentration0
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    logs = (a - 1) * _mean_log(p.low, p.high) + (b - 1) * _mean_log(1 - p.high, 1 - p.low)
    return where((p.high > 1) | (p.low < 0), math.inf, log_beta - logs - (p.high - p.low).log())


@register_kl(Uniform, Exponential)
def _(p, q):
    finite = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    return where(p.low < 0, math.inf, finite)


@register_kl(Uniform, Gamma)
def _(p, q):
    logs = (1 - q.concentration) * _mean_log(p.low, p.high)
    finite = _normalizer(q) + logs + q.rate * (p.high + p.low) / 2 - (p.high - p.low).log()
    return where(p.low < 0, math.inf, finite)


@register_kl(Uniform, Gumbel)
def _(p, q):
    inverse = q.scale / (p.high - p.low)
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return inverse.log() + 0.5 * (high + low) - inverse * ((-high).exp() - (-low).exp())


@register_kl(Uniform, Normal)
def _(p, q):
    return -p.entropy() + _from_normal(q, p.mean, p.variance)
