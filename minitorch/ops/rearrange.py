"""The same elements in other places: flip, roll, repeat, tile, rot90, tril, triu, diag."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..core.levels import per_example
from ..core.op import KEEP, LINEAR, function, op
from ..core.tensor import Tensor, wrap
from ..shapes import as_int, normalize_dim, normalize_dims, size_arguments
from ..strided import arranged, empty_as_suggested
from .convert import clone, copied
from .part import diagonal, place_diagonal
from .permute import transpose
from .reduce import sum as sum_
from .shape import expand, reshape, unsqueeze
from .take import take_at

# Order.


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g, dims: reversed_along(g, dims=dims)), backward_name="FlipBackward0")
def reversed_along(input, *, dims):
    """The elements in reverse order along the dimensions `dims`."""
    return arranged(np.flip(input, dims).copy(), [input])


@function(torch="flip")
def flip(input: Tensor, *order, dims: Sequence[int] | None = None) -> Tensor:
    """A copy in reverse order along the dimensions `dims`. RuntimeError when one is named twice."""
    dims = size_arguments(order if dims is None else (dims,))
    dims = normalize_dims(dims, input.array.ndim)
    return reversed_along(input, dims=dims if input.array.ndim else ())


@function(torch="fliplr")
def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order. RuntimeError for fewer than two dimensions."""
    if input.array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@function(torch="flipud")
def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order. RuntimeError for a 0-dim tensor."""
    if input.array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(input=lambda g, shifts, dims: rolled(g, shifts=tuple([-s for s in shifts]), dims=dims)),
    backward_name="RollBackward0",
)
def rolled(input, *, shifts, dims):
    """z[i] = input[i - shift], indices wrapping around."""
    out = empty_as_suggested(input.shape, [input])
    out[...] = np.roll(input, shifts, dims)
    return out


@function(torch="roll")
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Tensor:
    """The elements moved by `shifts` along `dims`, those that fall off the end coming back at the start.

    Without `dims` the tensor is rolled as if it were flat. RuntimeError for lists of different lengths.
    """
    shifts = size_arguments((shifts,))
    dims = () if dims is None else size_arguments((dims,))
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return reshape(rolled(reshape(input, -1), shifts=shifts, dims=(0,)), input.array.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if input.array.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return rolled(input, shifts=shifts, dims=tuple([normalize_dim(d, input.array.ndim) for d in dims]))


@function(torch="rot90")
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """The tensor turned by 90 degrees `k` times in the plane of two dimensions, from the first towards the second."""
    ndim = input.array.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    first, second = [normalize_dim(d, ndim) for d in dims]
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    if k % 4 == 1:
        return transpose(flip(input, second), first, second).contiguous()
    if k % 4 == 2:
        return flip(input, first, second)
    if k % 4 == 3:
        return transpose(flip(input, first), first, second).contiguous()
    return clone(input)


# Repetition.


def _fold(g: Tensor, size, repeats) -> Tensor:
    """The sum over all copies: the adjoint of repeating."""
    padded = (1,) * (len(repeats) - len(size)) + tuple(size)
    pairs = reshape(g, [n for pair in zip(repeats, padded, strict=True) for n in pair])
    return reshape(sum_(pairs, list(range(0, 2 * len(repeats), 2))), size) if repeats else g


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(input=lambda g, size, repeats: _fold(g, size, repeats)),
    backward_name="RepeatBackward0",
)
def repeated(input, *, repeats):
    """The tensor laid side by side with itself `repeats[d]` times along each dimension, new ones in front."""
    return np.tile(input.reshape((1,) * (len(repeats) - input.ndim) + input.shape), repeats)


@function(torch="Tensor.repeat")
def repeat(input: Tensor, *repeats: int) -> Tensor:
    """The tensor laid side by side with itself, `repeats[d]` times along each dimension (new ones in front)."""
    repeats = size_arguments(repeats)
    if len(repeats) < input.array.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in repeats):
        raise RuntimeError(f"repeat(): Trying to create tensor with negative dimension: repeats {list(repeats)}")
    return repeated(input, repeats=repeats)


@function(torch="tile")
def tile(input: Tensor, *order, dims: Sequence[int] | None = None) -> Tensor:
    """`repeat`, where missing repeats in front count as 1."""
    dims = size_arguments(order if dims is None else (dims,))
    return repeat(input, (1,) * (input.array.ndim - len(dims)) + dims)


@function(torch="repeat_interleave")
@per_example
def repeat_interleave(input: Tensor, repeats=None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Every place along `dim` (of the flat tensor, without `dim`) `repeats` times in a row, or repeats[i] times.

    With one tensor alone: the index i, input[i] times, for every i. RuntimeError for negative or unfitting repeats.
    """
    if repeats is None:
        if dim is not None:
            raise TypeError("repeat_interleave(): with `dim`, argument 'repeats' is needed")
        return _places_of(input, output_size)
    if dim is None:
        input, dim = reshape(input, -1), 0
    alone = input.array.ndim == 0
    input = reshape(input, 1) if alone else input
    dim = normalize_dim(dim, input.array.ndim)
    n = input.array.shape[dim]
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        shape = list(input.array.shape)
        spread = expand(unsqueeze(input, dim + 1), (*shape[: dim + 1], repeats, *shape[dim + 1 :]))
        shape[dim] *= repeats
        return reshape(copied(spread, order="C"), shape)
    if not isinstance(repeats, Tensor):
        repeats = wrap(np.array(size_arguments((repeats,)), np.int64))
    counts = repeats.array
    if counts.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if counts.ndim == 0 or counts.size == 1:
        counts = np.full(n, counts.reshape(()))
    if counts.size != n:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} and "
            f"input.size({dim}) = {n}"
        )
    return take_at(input, *[None] * dim, _places_of(wrap(counts), output_size))


def _places_of(repeats: Tensor, output_size) -> Tensor:
    counts = repeats.array
    if counts.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if counts.dtype not in (np.int64, np.int32):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and output_size != counts.sum():
        raise RuntimeError("allocated size does not match required size")
    return wrap(np.repeat(np.arange(counts.size, dtype=np.int64), counts))


# Triangles and diagonals.


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g, diagonal: lower(g, diagonal=diagonal)), backward_name="TrilBackward0")
def lower(input, *, diagonal):
    """The elements on and below a diagonal of every matrix, zero elsewhere."""
    return np.asarray(np.where(np.tri(*input.shape[-2:], diagonal, bool), input, input.dtype.type(0)), order="C")


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g, diagonal: upper(g, diagonal=diagonal)), backward_name="TriuBackward0")
def upper(input, *, diagonal):
    """The elements on and above a diagonal of every matrix, zero elsewhere."""
    return np.asarray(np.where(np.tri(*input.shape[-2:], diagonal - 1, bool), input.dtype.type(0), input), order="C")


def _check_matrix(name: str, input: Tensor) -> None:
    if input.array.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")


@function(torch="tril")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of every matrix, up to `diagonal`, zero elsewhere. (..., n, m)"""
    _check_matrix("tril", input)
    return lower(input, diagonal=as_int(diagonal, "diagonal"))


@function(torch="triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of every matrix, from `diagonal` on, zero elsewhere. (..., n, m)"""
    _check_matrix("triu", input)
    return upper(input, diagonal=as_int(diagonal, "diagonal"))


@function(torch="diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension of `input` on a diagonal and zeros elsewhere, as dimensions `dim1`, `dim2`."""
    if input.array.ndim == 0:
        raise IndexError("diag_embed(): input must have at least one dimension")
    ndim = input.array.ndim + 1
    dim1, dim2 = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    *batch, n = input.array.shape
    size = list(batch)
    for d in sorted((dim1, dim2)):
        size.insert(d, n + abs(offset))
    return place_diagonal(input, size=tuple(size), offset=offset, dim1=dim1, dim2=dim2)


@function(torch="diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix, or a copy of the diagonal of a matrix."""
    ndim = input.array.ndim
    if ndim == 1:
        return diag_embed(input, diagonal)
    if ndim == 2:
        return copied(diagonal_of(input, diagonal), order="C")
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")


diagonal_of = diagonal


@function(torch="diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of `input`, in order, on a diagonal."""
    return diag_embed(reshape(input, prod(input.array.shape)), offset)


@function(torch="Tensor.fill_diagonal_")
def fill_diagonal_(input: Tensor, fill_value, wrap: bool = False) -> Tensor:
    """Overwrite the main diagonal, in place; `wrap` starts it anew below the last column of a tall matrix."""
    shape = input.array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(input.stride())
    n = min(shape)
    input.as_strided((n,), (step,), input.storage_offset()).fill_(fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        below = input.narrow(0, shape[1] + 1, shape[0] - shape[1] - 1)
        fill_diagonal_(below, fill_value, wrap)
    return input
