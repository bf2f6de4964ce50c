"""Differences of neighbours along one dimension, and integrals by the trapezoidal rule."""

from __future__ import annotations

import numpy as np

from ..core.op import function
from ..core.tensor import Tensor, wrap
from ..shapes import normalize_dim
from .convert import clone
from .join import cat
from .part import narrow
from .reduce import sum
from .scan import cumsum


def _neighbours(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The elements that have one before them, and those before them."""
    n = x.array.shape[dim]
    return narrow(x, dim, min(1, n), max(n - 1, 0)), narrow(x, dim, 0, max(n - 1, 0))


@function(torch="diff")
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The n-th difference along `dim`: x_{i+1} - x_i, n times (exclusive or for bools).

    prepend, append: joined to the input first. RuntimeError for a 0-dim input or a negative n.
    """
    if not input.array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0 and prepend is None and append is None:
        return clone(input)
    dim = normalize_dim(dim, input.array.ndim)
    for other in (prepend, append):
        if other is None:
            continue
        if other.array.ndim != input.array.ndim:
            raise RuntimeError(
                "diff expects prepend or append to be the same dimension as input, got shapes "
                f"{list(other.shape)} and {list(input.shape)}"
            )
        if any(other.array.shape[d] != m for d, m in enumerate(input.array.shape) if d != dim):
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along the "
                f"differencing dimension {dim}, got shapes {list(other.shape)} and {list(input.shape)}"
            )
    if n == 0:
        return clone(input)
    if prepend is not None or append is not None:
        input = cat([part for part in (prepend, input, append) if part is not None], dim)
    for _ in range(min(n, input.array.shape[dim])):
        later, earlier = _neighbours(input, dim)
        input = later ^ earlier if input.array.dtype == np.bool_ else later - earlier
    return input


def _spacing(name: str, y: Tensor, x: Tensor | None, dx, dim: int):
    """The distance between neighbouring points: a number, or a tensor that broadcasts to the trapezoids."""
    if x is None:
        return 1 if dx is None else dx
    if dx is not None:
        raise TypeError(f"{name}() takes 'x' or 'dx', not both")
    if x.array.ndim == 1:
        if x.array.shape[0] != y.array.shape[dim]:
            raise RuntimeError(
                f"{name}: There must be one `x` value for each sample point: {list(x.shape)} for {list(y.shape)}"
            )
        x = x.reshape([-1 if d == dim else 1 for d in range(y.array.ndim)])
    elif x.array.ndim < y.array.ndim:
        x = x.reshape([1] * (y.array.ndim - x.array.ndim) + list(x.array.shape))
    later, earlier = _neighbours(x, dim)
    return later - earlier


def _points(name: str, y: Tensor, x: Tensor | None, dim: int) -> int:
    for label, values in (("y", y), ("x", x)):
        if values is not None and values.array.dtype == np.bool_:
            raise RuntimeError(f"{name}: received a bool input for `{label}`, but bool is not supported")
    if not y.array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return normalize_dim(dim, y.array.ndim)


@function(torch=("trapezoid", "trapz"))
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx=None, dim: int = -1) -> Tensor:
    """The integral of `y` along `dim` by the trapezoidal rule, at points `x` or a distance `dx` (1) apart."""
    dim = _points("trapezoid", y, x, dim)
    shape = y.array.shape
    if not shape[dim]:
        return wrap(np.zeros(shape[:dim] + shape[dim + 1 :], y.array.dtype))
    spacing = _spacing("trapezoid", y, x, dx, dim)
    later, earlier = _neighbours(y, dim)
    if isinstance(spacing, Tensor):
        return sum((later + earlier) * spacing, dim) / 2
    return sum(later + earlier, dim) * (spacing / 2)


@function(torch="cumulative_trapezoid")
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx=None, dim: int = -1) -> Tensor:
    """The running integral of `y` along `dim` by the trapezoidal rule: one element less than `y`."""
    dim = _points("cumulative_trapezoid", y, x, dim)
    spacing = _spacing("cumulative_trapezoid", y, x, dx, dim)
    later, earlier = _neighbours(y, dim)
    return cumsum((later + earlier) * (spacing / 2), dim)
