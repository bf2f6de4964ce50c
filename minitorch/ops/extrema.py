"""The largest and smallest elements, and where they are. NaN counts as larger, and smaller, than everything.

Where several elements are equal, `max(dim)` gives the gradient to the one whose index it returns; `amax` and `max()`
share it evenly among them.
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.lifted import numbers
from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import normalize_dim
from .comparison import isnan, maximum, minimum
from .pick import place
from .reduce import numpy_arguments, reduced_dims, spread, sum_all, sum_dims

# Along dimensions, values only.


def _shared(g, input, z, dim, keepdim):
    size = input.array.shape
    hit = input == spread(z, size=size, dim=dim, keepdim=keepdim)
    share = sum_dims(hit, dim=dim, keepdim=keepdim)
    g = spread(g, size=size, dim=dim, keepdim=keepdim)
    return g * hit / spread(share, size=size, dim=dim, keepdim=keepdim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_shared), backward_name="AmaxBackward0")
def amax_dims(input, *, dim, keepdim):
    """z = the largest element along the dimensions `dim`"""
    return np.maximum.reduce(input, dim, None, None, keepdim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_shared), backward_name="AminBackward0")
def amin_dims(input, *, dim, keepdim):
    """z = the smallest element along the dimensions `dim`"""
    return np.minimum.reduce(input, dim, None, None, keepdim)


def _check_not_empty(name: str, input: Tensor, dims) -> None:
    """IndexError for a dimension of size zero, where there is no extremum."""
    for d in dims:
        if input.array.shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size, got {list(input.shape)}.")


def _along(name: str, prim, input: Tensor, dim, keepdim: bool, numpy_names: dict) -> Tensor:
    if numpy_names:
        dim, keepdim = numpy_arguments(name, numpy_names, dim, keepdim)
    dims = reduced_dims(dim, input.array.ndim)
    if not input.array.size:
        if dim is None or dim == () or dim == []:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
                "with the 'dim' argument."
            )
        _check_not_empty(name, input, dims)
    return prim(input, dim=dims, keepdim=keepdim)


@function(torch="amax")
def amax(input: Tensor, dim=(), keepdim: bool = False, **numpy_names) -> Tensor:
    """The largest element over `dim` (an int, several, or () for all); ties share the gradient."""
    return _along("amax", amax_dims, input, dim, keepdim, numpy_names)


@function(torch="amin")
def amin(input: Tensor, dim=(), keepdim: bool = False, **numpy_names) -> Tensor:
    """The smallest element over `dim` (an int, several, or () for all); ties share the gradient."""
    return _along("amin", amin_dims, input, dim, keepdim, numpy_names)


@function(torch="aminmax")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False):
    """(min, max) over one dimension, or over everything."""
    if dim is None and not input.array.size:
        raise RuntimeError("aminmax(): cannot compute aminmax over no elements, as the operation has no identity.")
    return results.aminmax(amin(input, dim, keepdim), amax(input, dim, keepdim))


# Over everything.


def shared_evenly(g, input, z):
    hit = isnan(input) if np.isnan(numbers(z.array)).any() else input == z
    size = input.array.shape
    return spread(g / sum_all(hit), size=size, dim=tuple(range(len(size))), keepdim=False).masked_fill(~hit, 0)


def _check_any(name: str, input: np.ndarray) -> None:
    if not input.size:
        raise ValueError(f"{name} of no elements: specify the reduction dim with the 'dim' argument")


@op(GENERAL, dtype=SAME, vjp=dict(input=shared_evenly), backward_name="MaxBackward1")
def max_all(input):
    """z = the largest element of all"""
    _check_any("maximum", input)
    return np.maximum.reduce(input, None)


@op(GENERAL, dtype=SAME, vjp=dict(input=shared_evenly), backward_name="MinBackward1")
def min_all(input):
    """z = the smallest element of all"""
    _check_any("minimum", input)
    return np.minimum.reduce(input, None)


# Along one dimension, with indices.


def _placed(g, z, size, dim, keepdim):
    return place(g[0], z[1], size=size, dim=dim, keepdim=keepdim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_placed), backward_name="MaxBackward0")
def max_dim(input, *, dim, keepdim):
    """(values, indices) of the largest element along `dim`; the first of several"""
    return np.maximum.reduce(input, dim, None, None, keepdim), input.argmax(dim, keepdims=keepdim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_placed), backward_name="MinBackward0")
def min_dim(input, *, dim, keepdim):
    """(values, indices) of the smallest element along `dim`; the first of several"""
    return np.minimum.reduce(input, dim, None, None, keepdim), input.argmin(dim, keepdims=keepdim)


def _max_or_min(name, over_all, along, between, input, args, keepdim, numpy_names, dim, other):
    """torch's three overloads: f(input), f(input, dim, keepdim), f(input, other)."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if args:
        first, *rest = args
        if isinstance(first, Tensor):
            other = first
        else:
            dim = first
        if len(rest) > 1 or (rest and other is not None):
            raise TypeError(f"{name}() takes at most (input, dim, keepdim), got {1 + len(args)} positional arguments")
        keepdim = rest[0] if rest else keepdim
    if numpy_names:
        dim, keepdim = numpy_arguments(name, numpy_names, dim, keepdim)
    if other is not None:
        return between(input, other)
    if dim is None:
        return over_all(input)
    ndim = input.array.ndim
    dim = normalize_dim(dim, ndim)
    if not ndim:
        return getattr(results, name)(*along(input.reshape(1), dim=0, keepdim=False))
    if not input.array.shape[dim]:
        _check_not_empty(name, input, (dim,))
    return getattr(results, name)(*along(input, dim=dim, keepdim=keepdim))


@function(torch="max")
def max(input: Tensor, *args, dim: int | None = None, keepdim: bool = False, other=None, **numpy_names):
    """The largest element: max(input); (values, indices) along a dimension: max(input, dim, keepdim=False);
    the larger of two: max(input, other)."""
    if not args and dim is None and other is None and not numpy_names:
        return max_all(input)
    return _max_or_min("max", max_all, max_dim, maximum, input, args, keepdim, numpy_names, dim, other)


@function(torch="min")
def min(input: Tensor, *args, dim: int | None = None, keepdim: bool = False, other=None, **numpy_names):
    """The smallest element: min(input); (values, indices) along a dimension: min(input, dim, keepdim=False);
    the smaller of two: min(input, other)."""
    if not args and dim is None and other is None and not numpy_names:
        return min_all(input)
    return _max_or_min("min", min_all, min_dim, minimum, input, args, keepdim, numpy_names, dim, other)


# Indices only.


@op(GENERAL, dtype=SAME)
def argmax_dim(input, *, dim, keepdim):
    """z = the index of the largest element along `dim` (None: in the flattened input)"""
    return input.argmax(dim, keepdims=keepdim)


@op(GENERAL, dtype=SAME)
def argmin_dim(input, *, dim, keepdim):
    """z = the index of the smallest element along `dim` (None: in the flattened input)"""
    return input.argmin(dim, keepdims=keepdim)


def _index_along(name: str, prim, input: Tensor, dim, keepdim: bool, numpy_names: dict) -> Tensor:
    if numpy_names:
        dim, keepdim = numpy_arguments(name, numpy_names, dim, keepdim)
    array = input.array
    if array.dtype == np.bool_:
        raise RuntimeError(f"{name}(): not implemented for 'Bool'")
    if dim is not None:
        dim = normalize_dim(dim, array.ndim)
        if not array.ndim:
            dim = None
        else:
            _check_not_empty(name, input, (dim,))
    elif not array.size:
        raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
    return prim(input, dim=dim, keepdim=keepdim)


@function(torch="argmax")
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False, **numpy_names) -> Tensor:
    """The index of the largest element along `dim`, or in the flattened input; the first of several."""
    return _index_along("argmax", argmax_dim, input, dim, keepdim, numpy_names)


@function(torch="argmin")
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False, **numpy_names) -> Tensor:
    """The index of the smallest element along `dim`, or in the flattened input; the first of several."""
    return _index_along("argmin", argmin_dim, input, dim, keepdim, numpy_names)
