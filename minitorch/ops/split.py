"""One tensor taken apart into views: split, chunk, unbind and their relatives.

The parts of `split`, `chunk` and `unbind` have one node together, so that the gradient of the whole is put together
once; as in torch, such parts refuse in-place operations under autograd.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..core.op import KEEP, VIEW, function, op
from ..core.tensor import Tensor
from ..shapes import as_int, normalize_dim, size_arguments
from .join import cat, stacked
from .part import ALL, slice_view


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, dim: cat(g, dim)), backward_name="SplitBackward0")
def split_views(input, *, dim, sizes):
    """Consecutive parts of the given sizes along a dimension."""
    ends = itertools.accumulate(sizes)
    return tuple([input[(ALL,) * dim + (slice(end - n, end),)] for n, end in zip(sizes, ends, strict=True)])


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, dim: stacked(*g, dim=dim)), backward_name="UnbindBackward0")
def unbind_views(input, *, dim):
    """Every place along a dimension, which goes."""
    return tuple([input[(ALL,) * dim + (i, Ellipsis)] for i in range(input.shape[dim])])


def _has_dimensions(name: str, input: Tensor) -> None:
    if input.array.ndim == 0:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")


@function(torch="split")
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of `split_size` places each along `dim` (the last may be smaller), or of the sizes given.

    RuntimeError for sizes that do not add up.
    """
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    _has_dimensions("split", tensor)
    size = as_int(split_size_or_sections, "split_size")
    dim = normalize_dim(dim, tensor.array.ndim)
    n = tensor.array.shape[dim]
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if n:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return split_views(tensor, dim=dim, sizes=(0,))
    return split_views(tensor, dim=dim, sizes=tuple([min(size, n - start) for start in range(0, max(n, 1), size)]))


@function(torch="Tensor.split")
def split_method(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split`, whose argument has another name here."""
    return split(input, split_size, dim)


@function(torch="split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given sizes along `dim`. RuntimeError for sizes that do not add up."""
    _has_dimensions("split_with_sizes", input)
    sizes = size_arguments((split_sizes,))
    dim = normalize_dim(dim, input.array.ndim)
    n = input.array.shape[dim]
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != n:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), "
            f"but got split_sizes={list(sizes)}"
        )
    return split_views(input, dim=dim, sizes=sizes)


@function(torch="chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim` (the last may be smaller)."""
    _has_dimensions("chunk", input)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = normalize_dim(dim, input.array.ndim)
    n = input.array.shape[dim]
    if n == 0:
        return split_views(input, dim=dim, sizes=(0,) * chunks)
    return split(input, -(-n // chunks), dim)


@function(torch="unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """A view of every place along `dim`, without that dimension."""
    if input.array.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = normalize_dim(dim, input.array.ndim)
    return unbind_views(input, dim=dim)


@function(torch="tensor_split")
def tensor_split(input: Tensor, indices_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along `dim`: n parts whose sizes differ by at most one, or the parts between the given indices."""
    if input.array.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = normalize_dim(dim, input.array.ndim)
    n = input.array.shape[dim]
    if isinstance(indices_or_sections, Tensor):
        given = indices_or_sections.array
        if given.dtype != np.int64 or given.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor "
                f"of type int64, but got a tensor with {given.ndim} dims and type {indices_or_sections.dtype}"
            )
        indices_or_sections = given.tolist()
    if isinstance(indices_or_sections, (tuple, list)):
        ends = [as_int(i, "index") for i in indices_or_sections]
    else:
        sections = as_int(indices_or_sections, "sections")
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        ends = [i * (n // sections) + min(i, n % sections) for i in range(1, sections)]
    bounds = zip([0, *ends], [*ends, n], strict=True)
    return tuple([slice_view(input, index=(ALL,) * dim + (_upwards(slice(a, b), n), Ellipsis)) for a, b in bounds])


def _upwards(part: slice, n: int) -> slice:
    start, stop, _ = part.indices(n)
    return slice(start, max(start, stop))


def _along(name: str, needs: int, dim_of):
    def split_along(input: Tensor, indices_or_sections) -> tuple[Tensor, ...]:
        ndim = input.array.ndim
        if ndim < needs:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {needs} dimension{'s' if needs > 1 else ''}, "
                f"but got a tensor with {ndim} dimensions!"
            )
        dim = dim_of(ndim)
        sections = indices_or_sections
        if isinstance(sections, int):
            n = input.array.shape[dim]
            if sections <= 0 or n % sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {n} is not "
                    f"divisible by the split_size {sections}!"
                )
        return tensor_split(input, sections, dim)

    split_along.__name__ = split_along.__qualname__ = name
    split_along.__doc__ = f"`tensor_split` along the dimension that `{name[0]}stack` joins; n parts must be equal."
    return function(torch=name)(split_along)


hsplit = _along("hsplit", 1, lambda ndim: 0 if ndim == 1 else 1)
vsplit = _along("vsplit", 2, lambda ndim: 0)
dsplit = _along("dsplit", 3, lambda ndim: 2)
