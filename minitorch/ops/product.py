"""Products, over everything, along one dimension, and running.

The gradient with respect to one factor is the product of the others. Without zeros that is z / input; with zeros it
is put together from products alone, so that second and higher derivatives are right there too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, LINEAR, SAME, SUM, function, op
from ..core.tensor import Tensor, wrap
from ..dtypes import as_numpy_dtype
from ..shapes import normalize_dim
from .convert import cast
from .reduce import numpy_arguments, spread
from .scan import accumulate, along, cumsum_dim, scan_arguments

# A linear recurrence: what the gradients of running products are made of.


def _recurrence_input(g, factor, dim, reverse):
    return recurrence(g, shift(factor, dim=dim, reverse=not reverse), dim=dim, reverse=not reverse)


def _recurrence_factor(g, factor, z, dim, reverse):
    return _recurrence_input(g, factor, dim, reverse) * shift(z, dim=dim, reverse=reverse)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(input=_recurrence_input, factor=_recurrence_factor),
    jvp=dict(
        input=lambda t, factor, dim, reverse: recurrence(t, factor, dim=dim, reverse=reverse),
        factor=lambda t, factor, z, dim, reverse: recurrence(
            t * shift(z, dim=dim, reverse=reverse), factor, dim=dim, reverse=reverse
        ),
    ),
)
def recurrence(input, factor, *, dim, reverse):
    """z_i = input_i + factor_i * z_{i-1}, with z_{-1} = 0 (reverse: z_i = input_i + factor_i * z_{i+1})"""
    z = input.copy()
    n = input.shape[dim]
    order, back = (range(n - 2, -1, -1), 1) if reverse else (range(1, n), -1)
    lead = (slice(None),) * dim
    for i in order:
        here = (*lead, i)
        z[here] += factor[here] * z[(*lead, i + back)]
    return z


@op(LINEAR, dtype=SAME, vjp=dict(input=lambda g, dim, reverse: shift(g, dim=dim, reverse=not reverse)))
def shift(input, *, dim, reverse):
    """z_i = input_{i-1}, with 0 in front (reverse: z_i = input_{i+1}, with 0 at the end)"""
    z = np.zeros_like(input)
    to, source = (slice(None, -1), slice(1, None)) if reverse else (slice(1, None), slice(None, -1))
    along(z, dim, to)[...] = along(input, dim, source)
    return z


# Running product.


def _cumprod_gradient(g, input, z, dim, reverse):
    """sum over k >= i of g_k times the product of x_0 .. x_k without x_i."""
    if not input.array.ndim:
        return g
    if numbers(input.array).all():
        return cumsum_dim(g * z, dim=dim, reverse=not reverse) / input
    # s_i = g_i + x_{i+1} s_{i+1} gathers what follows x_i.
    following = recurrence(g, shift(input, dim=dim, reverse=not reverse), dim=dim, reverse=not reverse)
    return following * _preceding(z, dim, reverse)


def _preceding(z, dim, reverse):
    """The products of the elements before each one: z_{i-1}, and 1 for the first."""
    one = np.zeros(z.array.shape, z.array.dtype)
    along(one, dim, slice(-1, None) if reverse else slice(0, 1))[...] = 1
    return shift(z, dim=dim, reverse=reverse) + wrap(one)


@op(GENERAL, dtype=SUM, vjp=dict(input=_cumprod_gradient), backward_name="CumprodBackward0")
def cumprod_dim(input, *, dim, reverse):
    """z_i = the product of x_j over j <= i (reverse: over j >= i)"""
    return accumulate(np.multiply, input, dim, reverse)


@function(torch="cumprod")
def cumprod(input: Tensor, dim: int, *, dtype=None, **numpy_names) -> Tensor:
    """z_i = x_0 * ... * x_i along `dim`. Bools and integers are multiplied in int64."""
    input, dim, result = scan_arguments("cumprod", input, dim, dtype, numpy_names)
    product = cumprod_dim(input, dim=dim, reverse=False)
    return product if result is None else cast(product, dtype=result)


# Product.


def product_of_others(input, dim):
    """For each element the product of all others along `dim`."""
    before = _preceding(cumprod_dim(input, dim=dim, reverse=False), dim, reverse=False)
    after = _preceding(cumprod_dim(input, dim=dim, reverse=True), dim, reverse=True)
    return before * after


def _prod_gradient(g, input, z, dim, keepdim):
    size = input.array.shape
    if not size:
        return g
    g = spread(g, size=size, dim=(dim,), keepdim=keepdim)
    if numbers(input.array).all():
        return g * spread(z, size=size, dim=(dim,), keepdim=keepdim) / input
    if size[dim] == 1:
        return g
    return g * product_of_others(input, dim)


def _prod_all_gradient(g, input, z):
    if numbers(input.array).all():
        return g * z / input
    if input.array.size == 1:
        return g.expand(input.array.shape)
    return g * product_of_others(input.reshape(-1), 0).reshape(input.array.shape)


def multiply_reduce(array: np.ndarray, axis: int | None, keepdims: Any = False) -> np.ndarray:
    """np.multiply.reduce; float32 is multiplied in float64.

    In float32 the roundings of factors near 1 need not cancel: they can all go one way, and the error grows with the
    number of factors.
    """
    if array.dtype != np.float32 or array.size <= 32:
        return np.multiply.reduce(array, axis, keepdims=keepdims)
    return np.multiply.reduce(array, axis, np.float64, keepdims=keepdims).astype(np.float32)


@op(GENERAL, dtype=SUM, vjp=dict(input=_prod_all_gradient), backward_name="ProdBackward0")
def prod_all(input):
    """z = the product of all elements"""
    return multiply_reduce(input, None)


@op(GENERAL, dtype=SUM, vjp=dict(input=_prod_gradient), backward_name="ProdBackward1")
def prod_dim(input, *, dim, keepdim):
    """z = the product of the elements along `dim`"""
    return multiply_reduce(input, dim if input.ndim else None, keepdim)


@function(torch="prod")
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype=None, **numpy_names) -> Tensor:
    """The product over `dim`, or of all elements; 1 for none. Bools and integers are multiplied in int64.

    dtype: the type to convert to before multiplying.
    """
    if numpy_names:
        dim, keepdim = numpy_arguments("prod", numpy_names, dim, keepdim)
    if dtype is not None:
        dtype = as_numpy_dtype(dtype)
        return cast(prod(cast(input, dtype=dtype), dim, keepdim), dtype=dtype)
    if dim is None:
        return prod_all(input)
    return prod_dim(input, dim=normalize_dim(dim, input.array.ndim), keepdim=keepdim)
