"""Variance and standard deviation.

Two passes, in float64: the mean first, then the squares of the deviations from it. E[x^2] - E[x]^2 would cancel
catastrophically (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance").
"""

from __future__ import annotations

import math

import numpy as np

from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor
from .reduce import add_reduce, count, mean_dims, numpy_arguments, reduced_dims, spread


def _variance(input, dim, correction, keepdim):
    """In float64, also for a narrower input: the square of a large or small number may not fit its type."""
    n = count(input.shape, dim)
    wide = input.astype(np.float64)
    wide -= add_reduce(wide, dim, True) / np.float64(n)
    wide *= wide
    return add_reduce(wide, dim, keepdim) / np.float64(max(n - correction, 0))


def _var_gradient(g, input, dim, correction, keepdim):
    size = input.array.shape
    freedom = count(size, dim) - correction
    mean = mean_dims(input, dim=dim, keepdim=True)
    g = spread(g, size=size, dim=dim, keepdim=keepdim)
    return g * (2 / freedom if freedom else math.inf) * (input - mean)


def _std_gradient(g, input, z, dim, correction, keepdim):
    return _var_gradient((g / (z * 2)).masked_fill(z == 0, 0), input, dim, correction, keepdim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_var_gradient), backward_name="VarBackward0")
def var_dims(input, *, dim, correction, keepdim):
    """z = sum((input - mean)^2) / (n - correction), over the n elements along `dim`"""
    return _variance(input, dim, correction, keepdim).astype(input.dtype)


@op(GENERAL, dtype=SAME, vjp=dict(input=_std_gradient), backward_name="StdBackward0")
def std_dims(input, *, dim, correction, keepdim):
    """z = sqrt(var); its gradient where z = 0 is 0"""
    return np.sqrt(_variance(input, dim, correction, keepdim)).astype(input.dtype)


def _arguments(name: str, input: Tensor, dim, unbiased, keepdim, correction, numpy_names) -> dict:
    """The parameters from torch's overloads: (x, unbiased), (x, dim, unbiased, keepdim), (x, dim, correction=)."""
    if isinstance(dim, bool):
        if unbiased is not None:
            raise TypeError(f"{name}() received an invalid combination of arguments: two values for 'unbiased'")
        dim, unbiased = None, dim
    if numpy_names:
        dim, keepdim = numpy_arguments(name, numpy_names, dim, keepdim)
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}() takes 'unbiased' or 'correction', not both")
        correction = int(unbiased)
    elif correction is None:
        correction = 1
    if input.array.dtype.kind in "iub":
        raise RuntimeError(f"{name}(): only supports floating point dtypes, got {input.dtype}")
    return dict(dim=reduced_dims(dim, input.array.ndim), correction=correction, keepdim=keepdim)


@function(torch="var")
def var(input: Tensor, dim=None, unbiased=None, keepdim: bool = False, *, correction=None, **numpy_names) -> Tensor:
    """The variance over `dim`: sum((x - mean)^2) / (n - correction).

    correction: 1 (Bessel's, the default) or 0; `unbiased` is its old name as a bool. NaN where n <= correction.
    """
    return var_dims(input, **_arguments("var", input, dim, unbiased, keepdim, correction, numpy_names))


@function(torch="std")
def std(input: Tensor, dim=None, unbiased=None, keepdim: bool = False, *, correction=None, **numpy_names) -> Tensor:
    """The standard deviation over `dim`: the square root of `var`."""
    return std_dims(input, **_arguments("std", input, dim, unbiased, keepdim, correction, numpy_names))


@function(torch="var_mean")
def var_mean(input: Tensor, dim=None, unbiased=None, keepdim: bool = False, *, correction=None, **numpy_names):
    """(var, mean) over `dim`."""
    parameters = _arguments("var_mean", input, dim, unbiased, keepdim, correction, numpy_names)
    return var_dims(input, **parameters), mean_dims(input, dim=parameters["dim"], keepdim=parameters["keepdim"])


@function(torch="std_mean")
def std_mean(input: Tensor, dim=None, unbiased=None, keepdim: bool = False, *, correction=None, **numpy_names):
    """(std, mean) over `dim`."""
    parameters = _arguments("std_mean", input, dim, unbiased, keepdim, correction, numpy_names)
    return std_dims(input, **parameters), mean_dims(input, dim=parameters["dim"], keepdim=parameters["keepdim"])
