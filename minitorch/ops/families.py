"""Random numbers whose distributions have tensors for parameters: Poisson, binomial, gamma and Dirichlet.

The numbers are torch's own (see `rejection.py`), drawn in the row-major order of the parameters.
"""

from __future__ import annotations

import numpy as np

from .. import rejection
from ..core.op import ELEMENTWISE, GENERAL, KEEP, function, op
from ..core.tensor import Tensor
from ..shapes import broadcast_shapes
from .arithmetic import zeros_as
from .implicit import dirichlet_grad, standard_gamma_grad
from .random import check_floating, stream

WIDE = (np.dtype(np.float32), np.dtype(np.float64))


def _check_wide(name: str, x: Tensor) -> None:
    if x.array.dtype not in WIDE:
        raise NotImplementedError(f"{name}(): not implemented for {x.dtype}, only for float32 and float64")


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=zeros_as), backward_name="PoissonBackward0")
def poisson_drawn(input, *, values):
    """Poisson numbers of the rates `input`: constants, as far as a derivative goes"""
    return values


@function(torch="poisson")
def poisson(input: Tensor, generator=None) -> Tensor:
    """Poisson numbers of the rates `input` >= 0, in its type. RuntimeError for a rate below zero or nan."""
    rate = input.array
    check_floating("poisson", rate.dtype)
    if not (rate >= 0).all():
        raise RuntimeError("poisson(): invalid Poisson rate, expected rate to be non-negative")
    flat = rate.astype(np.float64).reshape(-1)
    values = rejection.poissons(stream("poisson", generator), flat.size, flat)
    return poisson_drawn(input, values=values.astype(rate.dtype).reshape(rate.shape))


@op(ELEMENTWISE, dtype=KEEP)
def binomial_drawn(count, prob, *, values):
    """Binomial numbers; torch has no derivative for them"""
    return values


@function(torch="binomial")
def binomial(count: Tensor, prob: Tensor, generator=None) -> Tensor:
    """The numbers of successes in `count` trials of probability `prob`, both of one floating type; shapes broadcast."""
    for argument, x in (("count", count), ("prob", prob)):
        if x.array.dtype.kind in "biu":
            raise ValueError(f"binomial only supports floating-point dtypes for {argument}, got: {x.dtype}")
        _check_wide("binomial", x)
    if count.array.dtype != prob.array.dtype:
        raise RuntimeError(f"binomial(): found dtype {prob.dtype} of prob but expected {count.dtype}")
    shape = broadcast_shapes(count.array.shape, prob.array.shape)
    total, p = (np.broadcast_to(x.array, shape).reshape(-1) for x in (count, prob))
    values = rejection.binomials(stream("binomial", generator), total.size, total, p)
    return binomial_drawn(count, prob, values=values.astype(total.dtype).reshape(shape))


@op(
    ELEMENTWISE,
    dtype=KEEP,
    vjp=dict(input=lambda g, input, z: g * standard_gamma_grad(input, z)),
    backward_name="StandardGammaBackward0",
)
def gamma_drawn(input, *, values):
    """Gamma numbers of the shape parameters `input`, with their implicit derivative (`implicit.py`)"""
    return values


@function(torch="_standard_gamma")
def standard_gamma(input: Tensor, generator=None) -> Tensor:
    """Gamma numbers of shape parameter `input` and rate 1; none is smaller than the smallest normal number."""
    _check_wide("_standard_gamma", input)
    alpha = input.array
    values = rejection.gammas(stream("_standard_gamma", generator), alpha.size, alpha.reshape(-1)).astype(alpha.dtype)
    tiny = np.finfo(alpha.dtype).tiny
    return gamma_drawn(input, values=np.where(values > tiny, values, tiny).reshape(alpha.shape))


def _dirichlet_rule(g: Tensor, input: Tensor, z: Tensor) -> Tensor:
    """g_i = s_i (g_i - sum_j x_j g_j), s_i the derivative of x_i by its parameter, divided by 1 - x_i."""
    total = input.sum(-1, True).expand_as(input)
    return dirichlet_grad(z, input, total) * (g - (z * g).sum(-1, True))


@op(GENERAL, dtype=KEEP, vjp=dict(input=_dirichlet_rule), backward_name="_DirichletBackward")
def dirichlet_drawn(input, *, values):
    """Dirichlet numbers of the parameters `input` (..., k), with their implicit derivative (`implicit.py`)"""
    return values


@function(torch="_sample_dirichlet")
def sample_dirichlet(input: Tensor, generator=None) -> Tensor:
    """Dirichlet numbers of the parameters `input` (..., k): gamma numbers over their sum, inside (0, 1)."""
    _check_wide("_sample_dirichlet", input)
    alpha = input.array
    flat = alpha.astype(np.float64).reshape(-1)
    gammas = rejection.gammas(stream("_sample_dirichlet", generator), flat.size, flat).reshape(alpha.shape)
    parts = (gammas / gammas.sum(-1, keepdims=True)).astype(alpha.dtype)
    largest = np.nextafter(alpha.dtype.type(1), alpha.dtype.type(0))
    values = np.minimum(np.maximum(parts, np.finfo(alpha.dtype).tiny), largest)
    return dirichlet_drawn(input, values=values)
