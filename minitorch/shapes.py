"""Shapes, strides and dimensions: arithmetic on tuples of integers (floor 0: no Tensor here)."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np


class Size(tuple):
    """The shape of a tensor: a tuple that stays a Size when sliced, added or multiplied."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return math.prod(self)

    def __getitem__(self, index):
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other):
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        return Size(tuple.__add__(other, self))

    def __mul__(self, times):
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    __str__ = __repr__


def as_int(value, name: str = "dimension") -> int:
    """`value` as an int (ints, NumPy integers, 0-dim integer tensors). TypeError otherwise."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(value).__name__}") from None


def normalize_dim(dim: int, ndim: int, name: str = "") -> int:
    """A dimension counted from the front. A 0-dim tensor counts as having one. IndexError out of range, which says the
    `name` of the function."""
    dim = as_int(dim)
    span = ndim or 1
    if not -span <= dim < span:
        said = f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})"
        raise IndexError(f"{name}(): {said}" if name else said)
    return dim + span if dim < 0 else dim


def normalize_dims(dim: Any, ndim: int, name: str = "") -> tuple[int, ...]:
    """Dimensions counted from the front; None means all. RuntimeError when one is named twice."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        dims = tuple(normalize_dim(d, ndim, name) for d in dim)
        if len(set(dims)) != len(dims):
            twice = next(d for d in dims if dims.count(d) > 1)
            said = f"dim {twice} appears multiple times in the list of dims"
            raise RuntimeError(f"{name}(): {said}" if name else said)
        return dims
    return (normalize_dim(dim, ndim, name),)


def reduced_shape(shape: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """The shape left when `dims` (counted from the front) are reduced away, or kept with size 1."""
    if keepdim:
        return tuple(1 if d in dims else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def broadcast_shapes(*shapes: Sequence[int] | int) -> Size:
    """The common shape that all broadcast to, aligned at the right. RuntimeError when sizes differ and neither is 1."""
    tuples = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    ndim = max((len(s) for s in tuples), default=0)
    result = [1] * ndim
    for shape in tuples:
        for offset, n in enumerate(reversed(shape), 1):
            if n < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({n}): ({n})")
            if n != 1 and n != result[-offset]:
                if result[-offset] != 1:
                    raise RuntimeError(
                        "Shape mismatch: objects cannot be broadcast to a single shape: "
                        + " and ".join(str(list(s)) for s in tuples)
                        + f" differ at dimension {-offset} ({result[-offset]} against {n})"
                    )
                result[-offset] = n
    return Size(result)


def infer_size(shape: Sequence[int], numel: int, name: str = "", of: Sequence[int] = ()) -> tuple[int, ...]:
    """`shape` with its one -1 replaced so that it holds `numel` elements. RuntimeError when that is impossible, which
    says the `name` of the function and `of` which shape the elements are now."""
    start, end = (f"{name}(): ", f" (input shape: {list(of)})") if name else ("", "")
    shape = tuple(as_int(n, "size") for n in shape)
    known, free = 1, None
    for d, n in enumerate(shape):
        if n == -1:
            if free is not None:
                raise RuntimeError(f"{start}only one dimension can be inferred: {list(shape)}{end}")
            free = d
        elif n < 0:
            raise RuntimeError(f"{start}invalid shape dimension {n}{end}")
        else:
            known *= n
    if free is None:
        if known != numel:
            raise RuntimeError(f"{start}shape '{list(shape)}' is invalid for input of size {numel}{end}")
        return shape
    if known == 0:
        if numel == 0:
            raise RuntimeError(
                f"{start}cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
                f"dimension size -1 can be any value and is ambiguous{end}"
            )
    if known == 0 or numel % known:
        raise RuntimeError(f"{start}shape '{list(shape)}' is invalid for input of size {numel}{end}")
    return shape[:free] + (numel // known,) + shape[free + 1 :]


def size_arguments(sizes: Sequence) -> tuple[int, ...]:
    """Sizes given as f(2, 3) or as f((2, 3)): a tuple of ints either way."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    return tuple(as_int(n, "size") for n in sizes)


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a row-major tensor of this shape."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def view_strides(shape: Sequence[int], strides: Sequence[int], new_shape: Sequence[int]) -> tuple[int, ...] | None:
    """Strides with which the same memory reads as `new_shape`, or None when that needs a copy.

    Neighbouring old dimensions merge when the outer one steps exactly over the inner (stride[d] ==
    stride[d+1] * shape[d+1]); each merged run must then split evenly into new dimensions.
    """
    if math.prod(shape) == 0:
        return tuple(strides) if tuple(shape) == tuple(new_shape) else contiguous_strides(new_shape)
    if not shape:
        return (1,) * len(new_shape)
    result = [0] * len(new_shape)
    position = len(new_shape) - 1
    run, filled, inner = 1, 1, strides[-1]
    for d in range(len(shape) - 1, -1, -1):
        run *= shape[d]
        mergeable = d > 0 and (shape[d - 1] == 1 or strides[d - 1] == run * inner)
        if mergeable:
            continue
        while position >= 0 and (filled < run or new_shape[position] == 1):
            result[position] = filled * inner
            filled *= new_shape[position]
            position -= 1
        if filled != run:
            return None
        if d > 0:
            run, filled, inner = 1, 1, strides[d - 1]
    return tuple(result) if position == -1 else None


def ntuple(value, n: int, name: str = "argument") -> tuple[int, ...]:
    """One int repeated n times, or n ints as they are (a list of one counts as one int)."""
    if isinstance(value, (tuple, list)):
        values = tuple(as_int(v, name) for v in value)
        if len(values) == 1:
            return values * n
        if len(values) != n:
            raise RuntimeError(f"{name} must be a single int or {n} of them, got {list(values)}")
        return values
    return (as_int(value, name),) * n


def within(index: np.ndarray, n: int) -> bool:
    """Whether all integers of an array are from 0 to n - 1.

    The bits of all of them together are a number as large as the largest, and negative if one is: so one pass without
    comparisons, which takes half the time, mostly settles it.
    """
    if not index.size:
        return True
    bits = np.bitwise_or.reduce(index, None)
    return bool(0 <= bits and (bits < n or index.max() < n))
