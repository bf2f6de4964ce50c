"""Divergences between two distributions of one family. Each function's docstring is its formula."""

from __future__ import annotations

import math

from ..ops.comparison import where
from ..ops.smooth import softplus
from ..ops.triangular import solve_triangular
from ..shapes import broadcast_shapes
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import euler_constant, sum_rightmost


@register_kl(Bernoulli, Bernoulli)
def _(p, q):
    """a ln(a / b) + (1 - a) ln((1 - a) / (1 - b)), with ln a = -softplus(-logits)"""
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = where(p.probs == 0, 0, where(q.probs == 0, math.inf, one))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zero = where(p.probs == 1, 0, where(q.probs == 1, math.inf, zero))
    return one + zero


@register_kl(Binomial, Binomial)
def _(p, q):
    """n KL of one trial, for one n; inf where p has more trials."""
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return where(p.total_count > q.total_count, math.inf, p.total_count * trial)


@register_kl(Categorical, Categorical)
def categorical(p, q):
    """sum p_i (ln p_i - ln q_i)"""
    terms = p.probs * (p.logits - q.logits)
    return where(p.probs == 0, 0, where(q.probs == 0, math.inf, terms)).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p, q):
    return categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _(p, q):
    """-H(p) - ln(1 - q) / p - ln(q / (1 - q))"""
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Exponential, Exponential)
def _(p, q):
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Gamma, Gamma)
def _(p, q):
    """b ln(r / s) + ln Gamma(b) - ln Gamma(a) + (a - b) psi(a) + (s - r) a / r; p of (a, r), q of (b, s)."""
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma() + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Beta, Beta)
def _(p, q):
    a1, a0, b1, b0 = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    a, b = a1 + a0, b1 + b0
    normalizers = b1.lgamma() + b0.lgamma() + a.lgamma() - (a1.lgamma() + a0.lgamma() + b.lgamma())
    return normalizers + (a1 - b1) * a1.digamma() + (a0 - b0) * a0.digamma() + (b - a) * a.digamma()


@register_kl(Dirichlet, Dirichlet)
def _(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    normalizers = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return normalizers + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Normal, Normal)
def normal(p, q):
    """(v - 1 - ln v + ((m - n) / t)**2) / 2 with v = (s / t)**2; p of mean m, deviation s; q of n, t."""
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p, q):
    """(tr(D^-1 C) + |L^-1 (m - n)|**2 - k) / 2 + ln det L - ln det K; C = K K^T of p, D = L L^T of q."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    n = p.event_shape[0]
    shape = (*broadcast_shapes(p.batch_shape, q.batch_shape), n, n)
    ratio = solve_triangular(q._tril.expand(shape), p._tril.expand(shape), upper=False)
    spread = ratio.pow(2).sum((-2, -1)) + mahalanobis(q._tril, q.loc - p.loc)
    return half_log_det(q._tril) - half_log_det(p._tril) + 0.5 * (spread - n)


@register_kl(HalfNormal, HalfNormal)
def _(p, q):
    return normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _(p, q):
    """Gil 2011"""
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return distance / q.scale + ratio * (-distance / p.scale).exp() - ratio.log() - 1


@register_kl(Gumbel, Gumbel)
def _(p, q):
    ratio, shift = p.scale / q.scale, (p.loc - q.loc) / q.scale
    exponential = (q.loc / q.scale + (1 + ratio).lgamma() - p.loc / q.scale).exp()
    return shift - ratio.log() + ratio * euler_constant + exponential - (1 + euler_constant)


@register_kl(Cauchy, Cauchy)
def _(p, q):
    """ln(((s + t)**2 + (m - n)**2) / (4 s t)) (Chyzak & Nielsen 2019)"""
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@register_kl(Uniform, Uniform)
def _(p, q):
    """ln of the ratio of the widths; inf where p reaches out of q."""
    widths = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), math.inf, widths)


@register_kl(ExponentialFamily, ExponentialFamily)
def _(p, q):
    """F(eta) - F(theta) - <eta - theta, grad F(theta)>, a Bregman divergence; p of theta, q of eta."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences"
        )
    normalizer, thetas, moments = p._normalizer_and_moments()
    etas = q._natural_params
    result = q._log_normalizer(*etas) - normalizer
    for theta, eta, moment in zip(thetas, etas, moments, strict=True):
        result = result - sum_rightmost((eta - theta) * moment, len(q.event_shape))
    return result


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p, q):
    """The same bijection changes both alike."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
