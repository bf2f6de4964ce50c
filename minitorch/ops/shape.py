"""Shapes and views: the same elements seen in another shape, order or selection."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided as numpy_as_strided

from ..core.op import KEEP, VIEW, function, op
from ..core.tensor import Tensor
from ..shapes import infer_size, normalize_dim, size_arguments, view_strides
from .convert import clone


def _strides_as(array: np.ndarray, shape):
    return view_strides(array.shape, [s // array.itemsize for s in array.strides], shape)


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, size: g.reshape(size)), backward_name="ViewBackward0")
def view_as_shape(input, *, shape):
    """The same memory in another shape."""
    return input.reshape(shape)


@function(torch="Tensor.view")
def view(input: Tensor, *shape) -> Tensor:
    """The same memory in another shape (one size may be -1), or as another dtype. RuntimeError where that needs a copy."""
    shape = infer_size(size_arguments(shape), input.array.size)
    if not input.array.flags.c_contiguous and _strides_as(input.array, shape) is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            f"contiguous subspaces): shape {list(input.array.shape)} to {list(shape)}. Use .reshape(...) instead."
        )
    return view_as_shape(input, shape=shape)


@function(torch="reshape")
def reshape(input: Tensor, *shape) -> Tensor:
    """The elements in another shape (one size may be -1): a view where possible, a copy otherwise."""
    shape = infer_size(size_arguments(shape), input.array.size)
    if not input.array.flags.c_contiguous and _strides_as(input.array, shape) is None:
        input = clone(input, memory_format="contiguous")
    return view_as_shape(input, shape=shape)


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, size: g.sum_to_size(size)), backward_name="ExpandBackward0")
def expand_to(input, *, shape):
    """The input repeated along dimensions of size 1 (and new ones in front), by stride 0."""
    extra = len(shape) - input.ndim
    strides = [0] * extra + [0 if n != m else s for n, m, s in zip(input.shape, shape[extra:], input.strides, strict=True)]
    return numpy_as_strided(input, shape, strides)


@function(torch="Tensor.expand")
def expand(input: Tensor, *size, implicit: bool = False) -> Tensor:
    """The tensor repeated without copying along dimensions of size 1; -1 leaves a size as it is."""
    size = size_arguments(size)
    shape = input.array.shape
    extra = len(size) - len(shape)
    if extra < 0:
        raise RuntimeError(
            f"expand(): the number of sizes provided ({len(size)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(shape)})"
        )
    target = list(size)
    for d, n in enumerate(size):
        if n == -1:
            if d < extra:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {d}"
                )
            target[d] = shape[d - extra]
        elif d >= extra and shape[d - extra] not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({shape[d - extra]}) at "
                f"non-singleton dimension {d}.  Target sizes: {list(size)}.  Tensor sizes: {list(shape)}"
            )
        elif n < 0:
            raise RuntimeError(f"expand(): negative size {n} in {list(size)}")
    return expand_to(input, shape=tuple(target))


def _inverse(dims) -> tuple[int, ...]:
    inverse = [0] * len(dims)
    for i, d in enumerate(dims):
        inverse[d] = i
    return tuple(inverse)


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, dims: permute_dims(g, dims=_inverse(dims))), backward_name="PermuteBackward0")
def permute_dims(input, *, dims):
    """Dimensions in another order."""
    return input.transpose(dims)


@function(torch="permute")
def permute(input: Tensor, *dims) -> Tensor:
    """A view with the dimensions in the order `dims`."""
    dims = tuple(normalize_dim(d, input.array.ndim) for d in size_arguments(dims))
    if len(dims) != input.array.ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.array.ndim} is not equal to len(dims) = {len(dims)}"
        )
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"permute(): duplicate dims are not allowed: {list(dims)}")
    return permute_dims(input, dims=dims)


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, dim0, dim1: swap_dims(g, dim0=dim0, dim1=dim1)), backward_name="TransposeBackward0")
def swap_dims(input, *, dim0, dim1):
    """Two dimensions exchanged."""
    return input.swapaxes(dim0, dim1) if input.ndim else input[...]


@function(torch=("transpose", "swapaxes", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with dimensions `dim0` and `dim1` exchanged."""
    ndim = input.array.ndim
    return swap_dims(input, dim0=normalize_dim(dim0, ndim), dim1=normalize_dim(dim1, ndim))
