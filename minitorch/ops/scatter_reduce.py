"""Scattered elements combined with what is there already: sum, prod, mean, amin, amax.

scatter_reduce   z = input, then z[index[i][j]][j] = reduce(z[index[i][j]][j], src[i][j])
index_reduce     the same with one index for whole slices
"""

from __future__ import annotations

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor, wrap
from ..shapes import normalize_dim
from .comparison import maximum, where
from .scatter import _along, _flat_places, gather_at, scatter, scatter_add, scatter_at, scatter_zeros
from .shape import expand, reshape

COMBINE = {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _neutral(reduce: str, dtype: np.dtype):
    """What changes nothing when it is combined with something."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "b":
        return reduce == "amin"
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if reduce == "amax":
        return limits.min if limits else -np.inf
    return limits.max if limits else np.inf


def _counts(shape, places: np.ndarray, include_self: bool) -> np.ndarray:
    counts = np.bincount(places.reshape(-1), minlength=int(np.prod(shape))) + include_self
    return np.maximum(counts, 1)


def _ones_scattered(g: Tensor, src: Tensor, index: Tensor, dim: int, include_self: bool) -> Tensor:
    shape = g.array.shape
    counts = scatter_zeros(wrap(np.ones(index.array.shape, g.array.dtype)), index, dim=dim, size=shape)
    return maximum(counts + float(include_self), wrap(np.ones((), g.array.dtype)))


def _not_self(g: Tensor, index: Tensor, dim: int, include_self: bool) -> Tensor:
    """The gradient for the input: where it was replaced, not combined, it gets none."""
    return g if include_self else scatter(g, dim, index, 0)


def _into_input(g, input, src, index, z, dim, reduce, include_self):
    if reduce == "sum":
        found = g
    elif reduce == "mean":
        found = g / _ones_scattered(g, src, index, dim, include_self)
    elif reduce == "prod":
        # z / input, with 1 for inputs that are 0.
        ones = input.masked_fill(input == 0, 1)
        found = g * reduce_at(ones, src, index, dim=dim, reduce=reduce, include_self=include_self) / ones
    else:
        found = _shared(g, input, src, index, z, dim)[0]
    return _not_self(found, index, dim, include_self)


def _into_src(g, input, src, index, z, dim, reduce, include_self):
    if reduce == "sum":
        return gather_at(g, index, dim=dim)
    if reduce == "mean":
        return gather_at(g / _ones_scattered(g, src, index, dim, include_self), index, dim=dim)
    if reduce == "prod":
        return _prod_src(g, input, src, index, z, dim, include_self)
    return _shared(g, input, src, index, z, dim)[1]


def _prod_src(g, input, src, index, z, dim, include_self):
    """z / src, where a single 0 among the factors gets the product of the others, and several get 0."""
    zero = src == 0
    zeros = gather_at(scatter_add((input * 0), dim, index, zero.to(src.dtype)), index, dim=dim)
    single = zero & (zeros == 1)
    others = reduce_at(input, src.masked_fill(single, 1), index, dim=dim, reduce="prod", include_self=include_self)
    usual = gather_at(g * z, index, dim=dim) / src.masked_fill(zero, 1)
    return where(single, gather_at(g * others, index, dim=dim), usual)


def _shared(g, input, src, index, z, dim):
    """Extrema: all elements equal to the result share its gradient."""
    mine = (input == z).to(g.dtype)
    theirs = (src == gather_at(z, index, dim=dim)).to(g.dtype)
    count = scatter_at(mine, theirs, index, dim=dim, adds=True)
    share = g / count
    return mine * share, theirs * gather_at(share, index, dim=dim)


@op(GENERAL, dtype=SAME, vjp=dict(input=_into_input, src=_into_src), backward_name="ScatterReduceBackward0")
def reduce_at(input, src, index, *, dim, reduce, include_self):
    """z = input, then z[index[i][j]][j] = reduce(z[index[i][j]][j], src[i][j])"""
    out = np.array(input, order="C")
    flat, places = out.reshape(-1), _flat_places(input.shape, index, dim).reshape(-1)
    if not include_self:
        flat[places] = _neutral(reduce, out.dtype)
    COMBINE[reduce].at(flat, places, src.reshape(-1))
    if reduce == "mean":
        counts = _counts(out.shape, places, include_self)
        if out.dtype.kind in "iu":
            np.floor_divide(flat, counts, out=flat, casting="unsafe")
        else:
            np.divide(flat, counts, out=flat, casting="unsafe")
    return out


@function(torch="scatter_reduce")
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with src[i][j] combined into z[index[i][j]][j] by `reduce` ("sum", "prod", "mean", "amin", "amax").

    include_self: whether the input's own elements take part where something is scattered. Errors as `gather`.
    """
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in COMBINE:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    shape = input.array.shape
    input, dim, index, src = _along("scatter_reduce", input, dim, index, src)
    if not index.array.size:
        return input.clone()
    return reshape(reduce_at(input, src, index, dim=dim, reduce=reduce, include_self=include_self), shape)


@function(torch="index_reduce")
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with source[i] combined into z[index[i]] along `dim` by `reduce` ("prod", "mean", "amin", "amax")."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim = normalize_dim(dim, input.array.ndim)
    if index.array.ndim > 1:
        raise RuntimeError("index_reduce(): Index is supposed to be a vector")
    n = source.array.shape[dim] if source.array.ndim else 1
    if index.array.size != n:
        raise RuntimeError(
            f"index_reduce(): Number of indices ({index.array.size}) should be equal to source.size(dim): ({n})"
        )
    if any(n != m for d, (n, m) in enumerate(zip(source.array.shape, input.array.shape, strict=False)) if d != dim):
        raise RuntimeError(
            f"index_reduce(): source tensor shape must match self tensor shape, excluding dimension {dim}, got "
            f"{list(source.shape)} for {list(input.shape)}"
        )
    rows = numbers(index.array)
    if rows.size and not 0 <= rows.min() <= rows.max() < (input.array.shape[dim] if input.array.ndim else 1):
        raise IndexError(
            f"index_reduce(): index out of range in self: {rows.min()} to {rows.max()} for dimension {dim} of "
            f"{list(input.shape)}"
        )
    if source.array.ndim > 0:
        index = reshape(index, (n,) + (1,) * (source.array.ndim - dim - 1))
        index = expand(index, source.array.shape)
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)
