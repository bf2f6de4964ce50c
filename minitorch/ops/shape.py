"""Views that change the shape: the same memory read with other sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core.call import view_of
from ..core.op import KEEP, LINEAR, VIEW, function, op
from ..core.state import state, watched
from ..core.tensor import Tensor
from ..shapes import (
    Size,
    as_int,
    broadcast_shapes,
    infer_size,
    normalize_dim,
    normalize_dims,
    size_arguments,
    view_strides,
)
from ..strided import element_strides, is_plain, strided
from .convert import contiguous
from .reduce import sum_to_size

# Sizes.


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, size: g.reshape(size)), backward_name="ViewBackward0")
def view_as_shape(input, *, shape):
    """The same memory in another shape."""
    if is_plain(input):
        return input.reshape(shape)
    strides = view_strides(input.shape, element_strides(input), shape)
    if strides is None:
        raise ValueError(f"a view of shape {list(shape)} needs a copy")
    return strided(input, shape, [s * input.itemsize for s in strides])


def _at_most_inferred(sizes: Sequence) -> bool:
    """Whether no size is below -1: NumPy would infer any negative one."""
    if len(sizes) == 1 and sizes[0].__class__ in (tuple, list, Size):
        sizes = sizes[0]
    for n in sizes:
        if n < -1:
            return False
    return True


def one_sequence(sizes: tuple, keyword) -> tuple:
    """What was given as f(2, 3), as f((2, 3)) or by keyword."""
    if keyword is not None:
        return tuple(keyword)
    if len(sizes) == 1 and type(sizes[0]) is not int:
        return tuple(sizes[0]) if isinstance(sizes[0], (tuple, list)) else sizes
    return sizes


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g, size: g.reshape(size)), backward_name="UnsafeViewBackward0")
def copied_as_shape(input, *, shape):
    """The elements, in row-major order, copied into another shape."""
    return np.array(input, order="C").reshape(shape)


def _needs_copy(array: np.ndarray, shape) -> bool:
    return not array.flags.c_contiguous and view_strides(array.shape, element_strides(array), shape) is None


@function(torch="Tensor.view")
def view(input: Tensor, *shape, size: Sequence[int] | None = None, dtype: dtypes.dtype | None = None) -> Tensor:
    """The same memory in another shape (one size may be -1) or dtype. RuntimeError where that needs a copy."""
    array = input.array
    if size is None and dtype is None and is_plain(array) and (not watched.threads or state.trace is None):
        try:
            out = array.reshape(*shape)
        except (TypeError, ValueError):
            pass  # whatever is wrong, `infer_size` below finds the words for it
        else:
            if out.shape == shape or _at_most_inferred(shape):
                return view_of(input, view_as_shape.op, {"shape": out.shape}, out)
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], dtypes.dtype)):
        return view_as_dtype(input, shape[0] if dtype is None else dtype)
    shape = infer_size(one_sequence(shape, size), array.size, "view", array.shape)
    if _needs_copy(array, shape):
        raise RuntimeError(
            "view(): view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            f"contiguous subspaces): shape {list(array.shape)} to {list(shape)}. Use .reshape(...) instead."
        )
    return view_as_shape(input, shape=shape)


@op(VIEW, dtype=KEEP)
def reinterpret(input, *, dtype):
    """The same bytes read as another type; the last dimension shrinks or grows when the types differ in size."""
    return input.view(dtype)


def view_as_dtype(input: Tensor, dtype) -> Tensor:
    """The same bytes read as another dtype; no gradient flows. RuntimeError where the bytes do not fit."""
    alias = input.detach()
    if alias.array.ndim == 0 and dtype.itemsize != alias.array.itemsize:
        raise RuntimeError(f"self.dim() cannot be 0 to view {input.dtype} as {dtype} (different element sizes)")
    return reinterpret(alias, dtype=dtype.numpy)


@function(torch="Tensor.view_as")
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of `other`."""
    return view(input, other.array.shape)


@function(torch="reshape")
def reshape(input: Tensor, *sizes, shape: Sequence[int] | None = None) -> Tensor:
    """The elements in another shape (one size may be -1): a view where possible, a copy otherwise."""
    array = input.array
    if shape is None and is_plain(array) and (not watched.threads or state.trace is None):
        try:
            out = array.reshape(*sizes)
        except (TypeError, ValueError):
            pass  # whatever is wrong, `infer_size` below finds the words for it
        else:
            if out.shape == sizes or _at_most_inferred(sizes):
                return view_of(input, view_as_shape.op, {"shape": out.shape}, out)
    shape = infer_size(one_sequence(sizes, shape), array.size, "reshape", array.shape)
    return (copied_as_shape if _needs_copy(array, shape) else view_as_shape)(input, shape=shape)


@function(torch="Tensor.reshape_as")
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of `other`."""
    return reshape(input, other.array.shape)


@function(torch="flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim` joined into one. RuntimeError when they are in the wrong order."""
    shape = input.array.shape
    if start_dim == 0 and end_dim == -1 and len(shape) > 1:
        return reshape(input, -1 if input.array.size else 0)
    start, end = [normalize_dim(d, len(shape), "flatten") for d in (start_dim, end_dim)]
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape(input, 1)
    if start == end:
        return input
    run = 1
    for n in shape[start : end + 1]:
        run *= n
    return reshape(input, shape[:start] + (run,) + shape[end + 1 :])


@function(torch="unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` split into `sizes` (one may be -1). RuntimeError when they do not multiply to its size."""
    shape = input.array.shape
    dim = normalize_dim(dim, len(shape))
    sizes = size_arguments((sizes,))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if not shape:
        raise RuntimeError("unflatten(): Dimension specified as 0 but tensor has no dimensions")
    try:
        inferred = infer_size(sizes, shape[dim])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) "
            "in the input tensor"
        ) from None
    return view(input, shape[:dim] + inferred + shape[dim + 1 :])


@function(torch="ravel")
def ravel(input: Tensor) -> Tensor:
    """The elements in one dimension: a view of a row-major tensor, else a copy."""
    return view(contiguous(input), -1)


# Dimensions of size 1.


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, size: g.reshape(size)), backward_name="SqueezeBackward1")
def squeeze_dims(input, *, dims):
    """Without the dimensions `dims`, which have size 1."""
    return input.squeeze(dims)


@function(torch="squeeze")
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without the dimensions of size 1: all of them, or those among `dim`."""
    shape = input.array.shape
    dims: Sequence[int]
    if dim is None:
        dims = range(len(shape))
    elif dim.__class__ is int:
        dims = (dim if 0 <= dim < len(shape) else normalize_dim(dim, len(shape), "squeeze"),)
    else:
        dims = normalize_dims(dim, len(shape), "squeeze")
    return squeeze_dims(input, dims=tuple([d for d in dims if shape and shape[d] == 1]))


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, size: g.reshape(size)), backward_name="UnsqueezeBackward0")
def insert_dim(input, *, dim):
    """With a dimension of size 1 put in front of dimension `dim`."""
    shape, strides = input.shape, input.strides
    extended = shape[:dim] + (1,) + shape[dim:]
    if input.flags.c_contiguous and 1 not in shape:
        return input.reshape(extended)
    step = input.itemsize if dim == len(shape) else shape[dim] * strides[dim]
    return strided(input, extended, strides[:dim] + (step,) + strides[dim:])


@function(torch="unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new dimension of size 1 at `dim` (0 to ndim; negative counts from the end)."""
    ndim = input.array.ndim
    return insert_dim(input, dim=dim if 0 <= dim <= ndim else normalize_dim(dim, ndim + 1, "unsqueeze"))


def _at_least(dims: int, place):
    def at_least(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return tuple([place(t) for t in tensors[0]])
        return place(tensors[0]) if len(tensors) == 1 else tuple([place(t) for t in tensors])

    at_least.__name__ = at_least.__qualname__ = f"atleast_{dims}d"
    at_least.__doc__ = f"Each tensor as a view with at least {dims} dimension{'s' if dims > 1 else ''}."
    return function(torch=f"atleast_{dims}d")(at_least)


atleast_1d = _at_least(1, lambda t: t if t.array.ndim else reshape(t, 1))
atleast_2d = _at_least(2, lambda t: t if t.array.ndim > 1 else unsqueeze(atleast_1d(t), 0))
atleast_3d = _at_least(3, lambda t: t if t.array.ndim > 2 else unsqueeze(atleast_2d(t), -1))


# Repeating without copying.


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g, size: sum_to_size(g, size)), backward_name="ExpandBackward0")
def expand_to(input, *, shape):
    """The input repeated along dimensions of size 1, and new ones in front, by stride 0."""
    old = input.shape
    extra = len(shape) - len(old)
    steps = [0] * extra + [*input.strides]
    for d in range(len(shape) - 1, -1, -1):
        if d < extra:
            # torch gives a new dimension of size 1 the stride it would have in a row-major tensor.
            if shape[d] == 1 and old:
                steps[d] = shape[d + 1] * steps[d + 1]
        elif old[d - extra] != shape[d]:
            steps[d] = 0
    return strided(input, shape, steps)


@function(torch="Tensor.expand")
def expand(input: Tensor, *size: Any, implicit: bool = False) -> Tensor:
    """The tensor repeated without copying along dimensions of size 1; -1 leaves a size as it is."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    array = input.array
    shape = array.shape
    extra = len(size) - len(shape)
    if extra < 0:
        raise RuntimeError(
            f"expand(): the number of sizes provided ({len(size)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(shape)})"
        )
    target = [*size]
    for d in range(extra, len(target)):
        n = shape[d - extra]
        if n != target[d]:
            if target[d] == -1:
                target[d] = n
            elif n != 1:
                raise RuntimeError(
                    f"expand(): The expanded size of the tensor ({target[d]}) must match the existing size ({n}) at "
                    f"non-singleton dimension {d}.  Target sizes: {list(size)}.  Tensor sizes: {list(shape)}"
                )
    for d, n in enumerate(target):
        if n.__class__ is not int:
            target[d] = as_int(n, "size")
        if n < 0:
            raise RuntimeError(
                f"expand(): The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {d}"
                if d < extra
                else f"expand(): negative size {n} in {list(size)}"
            )
    return expand_to(input, shape=tuple(target))


@function(torch="Tensor.expand_as")
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of `other`."""
    return expand(input, other.array.shape)


@function(torch="broadcast_to")
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """The tensor broadcast to `size`, as a view."""
    return expand(input, size)


@function(torch="broadcast_tensors")
def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """All tensors broadcast to their common shape, as views."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape = tuple(broadcast_shapes(*[t.array.shape for t in tensors]))
    return tuple([t if t.array.shape == shape else expand(t, shape) for t in tensors])


@function(torch="broadcast_shapes")
def public_broadcast_shapes(*shapes) -> Size:
    """The common shape that all of `shapes` (ints or sequences) broadcast to. RuntimeError when there is none."""
    for shape in shapes:
        if not isinstance(shape, (int, tuple, list)):
            raise RuntimeError(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}")
    return broadcast_shapes(*shapes)
