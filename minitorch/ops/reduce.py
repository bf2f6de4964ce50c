"""Sums and means: many elements to one, along dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.op import KEEP, LINEAR, SAME, SUM, VIEW, function, op
from ..core.tensor import Tensor
from ..dtypes import as_numpy_dtype
from ..shapes import normalize_dim, normalize_dims, reduced_shape
from ..strided import strided
from .comparison import isnan
from .convert import cast, to_dtype

# Arguments.


def reduced_dims(dim, ndim: int, name: str = "") -> tuple[int, ...]:
    """The dimensions a reduction runs over, counted from the front: all for None and (), none for a 0-dim tensor."""
    if type(dim) is int and 0 <= dim < ndim:
        return (dim,)
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = normalize_dims(dim, ndim, name)
    return dims if ndim else ()


def numpy_arguments(name: str, given: dict, dim, keepdim: bool) -> tuple:
    """(dim, keepdim) with NumPy's spellings `axis` and `keepdims` taken over. TypeError for any other name."""
    for key, value in given.items():
        if key == "axis":
            dim = value
        elif key == "keepdims":
            keepdim = value
        else:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    return dim, keepdim


# Adding up, accurately in every layout.

SMALL = 512
FEW = 128  # terms that NumPy, too, adds one by one
BLOCK = 16
ROW = 1024
LONG = 32 * ROW


def add_reduce(input: np.ndarray, axis: tuple[int, ...] | None, keepdims: bool = False) -> np.ndarray:
    """np.add.reduce with a rounding error that grows with the logarithm of the number of terms, along any axes.

    NumPy adds pairwise only along the axis that is contiguous in memory; along the others it runs through the terms
    one by one, and the error grows with their number (in float32 ten million 0.1s come out 9 % too large).
    """
    if input.size <= SMALL or input.dtype.kind != "f":
        return np.add.reduce(input, axis, None, None, keepdims)
    if axis == (0,) and len(input) <= FEW and input.flags.c_contiguous:
        return np.add.reduce(input, 0, None, None, keepdims)  # whole rows, and few terms
    if axis is None:
        if input.flags.c_contiguous and not keepdims:
            return _add_contiguous(input.reshape(-1), 0)
        axis = tuple(range(input.ndim))
    array, reduced = _merged(input, axis)
    inner_first = sorted((d for d, r in enumerate(reduced) if r), key=lambda d: abs(array.strides[d]))
    for k, d in enumerate(inner_first):
        # Dimensions that were summed before d have moved it to the front.
        array = _add_along(array, d - len([e for e in inner_first[:k] if e < d]))
    return array.reshape(reduced_shape(input.shape, axis, keepdims))


def _merged(array: np.ndarray, axis: tuple[int, ...]) -> tuple[np.ndarray, list[bool]]:
    """The array with neighbouring dimensions that share their fate made one, and which ones are to be reduced."""
    reduced = [d in axis for d in range(array.ndim)]
    if not array.flags.c_contiguous:
        return array, reduced
    shape: list[int] = []
    fate: list[bool] = []
    for n, r in zip(array.shape, reduced, strict=True):
        if fate and fate[-1] == r:
            shape[-1] *= n
        else:
            shape.append(n)
            fate.append(r)
    return array.reshape(shape), fate


def _add_along(array: np.ndarray, axis: int) -> np.ndarray:
    n, step = array.shape[axis], abs(array.strides[axis])
    if 0 < n <= 8:  # NumPy runs over so short an axis in its innermost loop: add whole slices instead
        lead: tuple[Any, ...] = (slice(None),) * axis
        total = array[(*lead, 0)].copy()
        for k in range(1, n):
            total += array[(*lead, k)]
        return total
    if step == array.itemsize:
        return _add_contiguous(array, axis)
    if n <= BLOCK:
        return np.add.reduce(array, axis)
    if step < 16 * array.itemsize:  # rows too short for NumPy to be quick along them
        return np.add.reduce(np.ascontiguousarray(np.moveaxis(array, axis, -1)), -1)
    return _cascade(array, axis)


def _add_contiguous(array: np.ndarray, axis: int) -> np.ndarray:
    """Along the axis that is contiguous in memory: rows by NumPy, in pairs; float32 rows are added in float64."""
    n = array.shape[axis]
    if n <= LONG or array.dtype != np.float32:
        return np.add.reduce(array, axis)
    if axis != array.ndim - 1:
        array = np.moveaxis(array, axis, -1)
    whole = n - n % ROW
    rows = array[..., :whole].reshape(*array.shape[:-1], whole // ROW, ROW)
    total = np.add.reduce(np.add.reduce(rows, -1), -1, dtype=np.float64)
    return (total + np.add.reduce(array[..., whole:], -1)).astype(np.float32)


def _cascade(array: np.ndarray, axis: int) -> np.ndarray:
    """Sums of blocks, then sums of those sums, and so on: no term goes through more than BLOCK additions a level."""
    n = array.shape[axis]
    if n <= BLOCK:
        return np.add.reduce(array, axis)
    whole = n - n % BLOCK
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    lead = (slice(None),) * axis
    blocks = array[(*lead, slice(whole))].reshape((*before, whole // BLOCK, BLOCK, *after))
    total = _cascade(np.add.reduce(blocks, axis + 1), axis)
    return total if whole == n else total + np.add.reduce(array[(*lead, slice(whole, None))], axis)


# Sum, and its adjoint.


@op(
    VIEW,
    dtype=KEEP,
    vjp=dict(input=lambda g, dim, keepdim: sum_dims(g, dim=dim, keepdim=keepdim)),
    backward_name="ExpandBackward0",
)
def spread(input, *, size, dim, keepdim):
    """A reduced tensor repeated (by stride 0) along the dimensions of `size` that were reduced away."""
    if not input.ndim:
        return strided(input, size, (0,) * len(size))
    given = iter(input.strides)
    if keepdim:
        steps = [0 if d in dim else s for d, s in enumerate(given)]
    else:
        steps = [0 if d in dim else next(given) for d in range(len(size))]
    return strided(input, size, tuple(steps))


@op(
    LINEAR,
    dtype=SUM,
    vjp=dict(input=lambda g, size: spread(g, size=size, dim=tuple(range(len(size))), keepdim=False)),
    backward_name="SumBackward0",
)
def sum_all(input):
    """z = the sum of all elements."""
    return np.add.reduce(input, None) if input.size <= SMALL else add_reduce(input, None)


@op(
    LINEAR,
    dtype=SUM,
    vjp=dict(input=lambda g, size, dim, keepdim: spread(g, size=size, dim=dim, keepdim=keepdim)),
    backward_name="SumBackward1",
)
def sum_dims(input, *, dim, keepdim):
    """z = the sum of the elements along the dimensions `dim`."""
    return add_reduce(input, dim, keepdim)


@function(torch="sum")
def sum(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None, **numpy_names) -> Tensor:
    """The sum over `dim` (an int, several, or None for all). Bools and integers are summed in int64.

    dtype: the type to convert to before adding. IndexError for a dimension out of range, RuntimeError for one named
    twice.
    """
    if numpy_names:
        dim, keepdim = numpy_arguments("sum", numpy_names, dim, keepdim)
    if dtype is not None:
        return _sum_as(input, dim, keepdim, as_numpy_dtype(dtype))
    if dim is None and not keepdim:
        return sum_all(input)
    return sum_dims(input, dim=reduced_dims(dim, input.array.ndim, "sum"), keepdim=keepdim)


def _sum_as(input: Tensor, dim, keepdim: bool, dtype: np.dtype) -> Tensor:
    total = sum_dims(cast(input, dtype=dtype), dim=reduced_dims(dim, input.array.ndim, "sum"), keepdim=keepdim)
    return cast(total, dtype=dtype)


@function(torch="nansum")
def nansum(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None, **numpy_names) -> Tensor:
    """The sum over `dim` with NaN counted as zero."""
    if input.array.dtype.kind not in "iub":
        input = input.masked_fill(isnan(input), 0)
    return sum(input, dim, keepdim, dtype=dtype, **numpy_names)


# Mean.


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        input=lambda g, size: spread(g, size=size, dim=tuple(range(len(size))), keepdim=False) / (math.prod(size) or 1)
    ),
    backward_name="MeanBackward0",
)
def mean_all(input):
    """z = the sum of all elements / their number"""
    if input.size <= SMALL:
        return np.true_divide(np.add.reduce(input, None), input.size, dtype=input.dtype)
    return np.true_divide(add_reduce(input, None), input.size, dtype=input.dtype)


def _mean_gradient(g, size, dim, keepdim):
    return spread(g, size=size, dim=dim, keepdim=keepdim) / (count(size, dim) or 1)


def count(shape, dims) -> int:
    """The number of elements that are reduced to one."""
    return math.prod([shape[d] for d in dims])


@op(LINEAR, dtype=SAME, vjp=dict(input=_mean_gradient), backward_name="MeanBackward1")
def mean_dims(input, *, dim, keepdim):
    """z = the sum along the dimensions `dim` / the number of elements in it"""
    return np.true_divide(add_reduce(input, dim, keepdim), count(input.shape, dim), dtype=input.dtype)


def check_floating(name: str, input: Tensor) -> None:
    """RuntimeError for an integer or bool tensor."""
    if input.array.dtype.kind in "iub":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype}"
        )


@function(torch="mean")
def mean(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None, **numpy_names) -> Tensor:
    """The mean over `dim` (an int, several, or None for all); NaN for no elements.

    dtype: the type to convert to first. RuntimeError for integers and bools, unless dtype makes them floating.
    """
    if numpy_names:
        dim, keepdim = numpy_arguments("mean", numpy_names, dim, keepdim)
    if dtype is not None:
        input = to_dtype(input, dtype)
    check_floating("mean", input)
    if dim is None and not keepdim:
        return mean_all(input)
    return mean_dims(input, dim=reduced_dims(dim, input.array.ndim, "mean"), keepdim=keepdim)


@function(torch="nanmean")
def nanmean(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None, **numpy_names) -> Tensor:
    """The mean over `dim` of the elements that are not NaN. RuntimeError for integers and bools."""
    check_floating("nanmean", input)
    total = nansum(input, dim, keepdim, dtype=dtype, **numpy_names)
    return total / sum(~isnan(input), dim, keepdim, **numpy_names)


# Reduction as the adjoint of broadcasting.


@function(torch="Tensor.sum_to_size")
def sum_to_size(input: Tensor, *size) -> Tensor:
    """`input` summed down to a shape that broadcasts to its own: the adjoint of broadcasting."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape = input.array.shape
    extra = len(shape) - len(size)
    dims = tuple(d for d, n in enumerate(shape) if d < extra or (size[d - extra] == 1 and n != 1))
    if extra < 0 or any(d >= extra and size[d - extra] != n and d not in dims for d, n in enumerate(shape)):
        raise RuntimeError(f"sum_to_size(): size {list(size)} is not expandable to size {list(shape)}")
    if not size:
        return sum_all(input)
    if not dims:
        return input
    if len(dims) == extra:  # only dimensions that `size` lacks
        return sum_dims(input, dim=dims, keepdim=False)
    total = sum_dims(input, dim=dims, keepdim=True)
    return total.reshape(size) if extra else total


def split_dim(input: Tensor, dim: int) -> int:
    """`dim` counted from the front, for operations along one dimension."""
    return normalize_dim(dim, input.array.ndim)
