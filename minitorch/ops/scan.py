"""Running sums and extrema along one dimension."""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.op import GENERAL, LINEAR, SAME, SUM, function, op
from ..core.tensor import Tensor
from ..dtypes import as_numpy_dtype
from ..shapes import normalize_dim
from .convert import cast
from .pick import place
from .reduce import numpy_arguments


def along(array: np.ndarray, dim: int, index) -> np.ndarray:
    """array[:, ..., index, ...] with the index at dimension `dim`."""
    return array[(*(slice(None),) * dim, index)]


def accumulate(ufunc, input: np.ndarray, dim: int, reverse: bool = False) -> np.ndarray:
    """ufunc.accumulate (reverse: from the end), in float64 for float32: as exact as one rounding."""
    if not input.ndim:
        return input.copy()
    if reverse:
        backwards = (*(slice(None),) * dim, slice(None, None, -1))
        return np.asarray(accumulate(ufunc, input[backwards], dim)[backwards], order="C")
    if input.dtype == np.float32:
        return ufunc.accumulate(input, dim, np.float64).astype(np.float32)
    return ufunc.accumulate(input, dim)


def scan_arguments(name: str, input: Tensor, dim, dtype, numpy_names: dict):
    """The input in the type it is accumulated in, `dim` from the front, and the result's type where it is another."""
    if numpy_names:
        dim, _ = numpy_arguments(name, numpy_names, dim, False)
    if dim is None:
        raise TypeError(f"{name}() missing required argument: 'dim' (int)")
    dim = normalize_dim(dim, input.array.ndim)
    if dtype is None:
        return input, dim, None
    dtype = as_numpy_dtype(dtype)
    return cast(input, dtype=dtype), dim, dtype


# Sum.


@op(
    LINEAR,
    dtype=SUM,
    vjp=dict(input=lambda g, dim, reverse: cumsum_dim(g, dim=dim, reverse=not reverse)),
    backward_name="CumsumBackward0",
)
def cumsum_dim(input, *, dim, reverse):
    """z_i = sum of x_j over j <= i (reverse: over j >= i)"""
    return accumulate(np.add, input, dim, reverse)


@function(torch="cumsum")
def cumsum(input: Tensor, dim: int | None = None, *, dtype=None, **numpy_names) -> Tensor:
    """z_i = x_0 + ... + x_i along `dim`. Bools and integers are summed in int64."""
    input, dim, result = scan_arguments("cumsum", input, dim, dtype, numpy_names)
    total = cumsum_dim(input, dim=dim, reverse=False)
    return total if result is None else cast(total, dtype=result)


# Extrema.


def _running(extreme, input, dim):
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    values = extreme.accumulate(input, dim)
    # The last place that reached the value so far, NaN included.
    hit = (input == values) | (input != input)
    positions = np.arange(input.shape[dim]).reshape([-1 if d == dim else 1 for d in range(input.ndim)])
    return values, np.maximum.accumulate(np.where(hit, positions, 0), dim)


def _running_gradient(g, z, size, dim):
    return place(g[0], z[1], size=size, dim=dim, keepdim=True, repeats=True)


@op(GENERAL, dtype=SAME, vjp=dict(input=_running_gradient), backward_name="CummaxBackward0")
def cummax_dim(input, *, dim):
    """(values, indices) of the largest element so far; the latest of several"""
    return _running(np.maximum, input, dim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_running_gradient), backward_name="CumminBackward0")
def cummin_dim(input, *, dim):
    """(values, indices) of the smallest element so far; the latest of several"""
    return _running(np.minimum, input, dim)


@function(torch="cummax")
def cummax(input: Tensor, dim: int):
    """(values, indices): the largest element up to each one along `dim`, and where it is (the latest of several)."""
    return results.cummax(*cummax_dim(input, dim=normalize_dim(dim, input.array.ndim)))


@function(torch="cummin")
def cummin(input: Tensor, dim: int):
    """(values, indices): the smallest element up to each one along `dim`, and where it is (the latest of several)."""
    return results.cummin(*cummin_dim(input, dim=normalize_dim(dim, input.array.ndim)))
