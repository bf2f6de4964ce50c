"""Tensors joined into one: cat, stack and their relatives, grids and combinations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..core.inplace import write_out
from ..core.op import KEEP, LINEAR, function, op
from ..core.promote import result_dtype
from ..core.tensor import Tensor, wrap
from ..dtypes import get_default_dtype
from ..shapes import normalize_dim
from ..strided import empty_as_suggested
from .convert import to_dtype
from .part import ALL, select_view, slice_view
from .shape import atleast_1d, atleast_2d, atleast_3d, insert_dim, reshape


def _own_part(g, i, dim, sizes):
    start = sum(sizes[:i])
    return slice_view(g, index=(ALL,) * dim + (slice(start, start + sizes[i]), Ellipsis))


@op(LINEAR, dtype=KEEP, vjp=dict(tensors=_own_part), backward_name="CatBackward0")
def concatenate(*tensors, dim, sizes):
    """The tensors one after the other along dimension `dim`, where they have `sizes`; their other sizes are equal."""
    if tensors[0].ndim > 3:
        return _end_to_end(tensors, dim)
    out = np.concatenate(tensors, dim)
    return out if out.flags.c_contiguous else np.ascontiguousarray(out)


def _end_to_end(arrays, dim):
    """Row by row, or with the channels last where all of them lie so."""
    shape = list(arrays[0].shape)
    shape[dim] = sum([a.shape[dim] for a in arrays])
    return np.concatenate(arrays, dim, out=empty_as_suggested(shape, arrays))


def _tensor_list(name: str, tensors) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    tensors = list(tensors)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return tensors


def _of_one_type(tensors) -> list[Tensor]:
    first = tensors[0].array.dtype
    for t in tensors:
        if t.array.dtype is not first and t.array.dtype != first:
            common = result_dtype(tensors)
            return [to_dtype(t, common) for t in tensors]
    return tensors


@function(torch=("cat", "concat", "concatenate"))
def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors joined along `dim`; their other sizes must agree, their types are promoted.

    A tensor of shape (0,) fits anything. RuntimeError for sizes that differ, ValueError for no tensors.
    """
    if out is not None:
        return write_out("cat", out, cat(tensors, dim), refusal=TypeError)
    if (tensors.__class__ is list or tensors.__class__ is tuple) and (sizes := _sizes(tensors, dim)) is not None:
        try:
            return concatenate(*tensors, dim=dim, sizes=sizes)
        except ValueError:
            pass  # an empty tensor among them, or sizes that differ: below are the words for it
    tensors, dim = _made_alike(tensors, dim)
    dim = normalize_dim(dim, tensors[0].array.ndim)
    try:
        return concatenate(*tensors, dim=dim, sizes=[t.array.shape[dim] for t in tensors])
    except ValueError:
        raise _sizes_differ(tensors, dim) from None


def _sizes(tensors, dim):
    """The sizes along `dim` in the usual case: tensors of one type, and `dim` counted from 0; else None."""
    try:
        dtype = tensors[0].array.dtype
        sizes = []
        for t in tensors:
            array = t.array
            if array.dtype is not dtype:
                return None
            sizes.append(array.shape[dim])
    except (AttributeError, IndexError, TypeError):
        return None
    return sizes if dim >= 0 else None


def _made_alike(tensors, dim):
    """The tensors as one type, without those of shape (0,), which fit anything. Raises where they cannot be joined."""
    tensors = _tensor_list("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    tensors = _of_one_type(tensors)
    shapes = [t.array.shape for t in tensors]
    if (0,) in shapes:
        tensors = [t for t, shape in zip(tensors, shapes, strict=True) if shape != (0,)] or tensors[:1]
        shapes = [t.array.shape for t in tensors]
    if () in shapes:
        raise RuntimeError(f"zero-dimensional tensor (at position {shapes.index(())}) cannot be concatenated")
    for shape in shapes:
        if len(shape) != len(shapes[0]):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(shapes[0])} and {len(shape)}")
    return tensors, dim


def _sizes_differ(tensors, dim: int) -> RuntimeError:
    first = tensors[0].array.shape
    for i, t in enumerate(tensors):
        for d, (n, m) in enumerate(zip(first, t.array.shape, strict=True)):
            if d != dim and n != m:
                return RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size {m} for "
                    f"tensor number {i} in the list."
                )
    return RuntimeError(f"cat(): the tensors of shapes {[tuple(t.array.shape) for t in tensors]} cannot be joined")


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(tensors=lambda g, i, dim: select_view(g, index=(ALL,) * dim + (i, Ellipsis))),
    backward_name="StackBackward0",
)
def stacked(*tensors, dim):
    """The tensors, all of one shape, side by side along a new dimension."""
    ndim = tensors[0].ndim
    if 3 <= ndim <= 5:  # as torch: a cat, of which a dimension is split; or, at the end, of tensors with one more
        one_more = insert_dim.op.reference
        joined = _end_to_end(tensors if dim < ndim else [one_more(t, dim=dim) for t in tensors], dim)
        return joined.reshape(tensors[0].shape[:dim] + (len(tensors),) + tensors[0].shape[dim:])
    out = np.empty(tensors[0].shape[:dim] + (len(tensors),) + tensors[0].shape[dim:], tensors[0].dtype)
    for i, tensor in enumerate(tensors):
        out[(ALL,) * dim + (i,)] = tensor
    return out


@function(torch="stack")
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension at `dim`. RuntimeError for shapes that differ."""
    tensors = _tensor_list("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = tensors[0].array.shape
    for i, t in enumerate(tensors):
        if t.array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(t.array.shape)} at entry {i}"
            )
    return stacked(*_of_one_type(tensors), dim=normalize_dim(dim, len(shape) + 1))


@function(torch="hstack")
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 1 (vectors along dimension 0)."""
    tensors = atleast_1d(_non_empty("hstack", tensors))
    return cat(tensors, 0 if tensors[0].array.ndim == 1 else 1)


@function(torch=("vstack", "row_stack"))
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 0, vectors being rows."""
    return cat(atleast_2d(_non_empty("vstack", tensors)), 0)


@function(torch="dstack")
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 2, which is added where it lacks."""
    return cat(atleast_3d(_non_empty("dstack", tensors)), 2)


@function(torch="column_stack")
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along dimension 1, vectors being columns."""
    tensors = _non_empty("column_stack", tensors)
    return hstack([reshape(t, t.array.size, 1) if t.array.ndim <= 1 else t for t in tensors])


def _non_empty(name: str, tensors) -> list[Tensor]:
    tensors = _tensor_list(name, tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@function(torch="block_diag")
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the tensors (at most matrices) on its diagonal and zeros elsewhere."""
    if not tensors:
        return wrap(np.zeros((1, 0), get_default_dtype().numpy))
    checked = _tensor_list("block_diag", tensors)
    for i, t in enumerate(checked):
        if t.array.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.ndim} dimensions"
            )
    blocks = [atleast_2d(t) for t in _of_one_type(checked)]
    width = sum([b.array.shape[1] for b in blocks])
    rows, left = [], 0
    for block in blocks:
        (n, m) = block.array.shape
        rows.append(cat([block.new_zeros((n, left)), block, block.new_zeros((n, width - left - m))], 1))
        left += m
    return cat(rows, 0)


@function(torch="meshgrid")
def meshgrid(*tensors, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Vectors of sizes n_1, ..., n_k as k views of shape (n_1, ..., n_k), the i-th varying along dimension i.

    indexing="xy" exchanges the first two dimensions. RuntimeError for more than one dimension.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.array.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t.ndim}")
        if t.array.dtype != tensors[0].array.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) > 1
    tensors = (tensors[1], tensors[0], *tensors[2:]) if swap else tensors
    k = len(tensors)
    shape = tuple([t.array.size for t in tensors])
    grids = [t.reshape((1,) * i + (-1,) + (1,) * (k - i - 1)).expand(shape) for i, t in enumerate(tensors)]
    return (grids[1], grids[0], *grids[2:]) if swap else tuple(grids)


@function(torch="cartesian_prod")
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of one element of each vector, (n_1 ... n_k, k); one vector alone is returned as it is."""
    for t in tensors:
        if t.array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.array.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.flatten() for g in meshgrid(*tensors, indexing="ij")], 1)


@function(torch="combinations")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` elements of a vector, in order. (number of combinations, r)"""
    if input.array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty((0,))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = np.array(list(choose(range(input.array.size), r)), np.int64).reshape(-1, r)
    return input[chosen.reshape(-1)].reshape(chosen.shape)
