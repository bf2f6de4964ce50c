"""Views of a part: select, narrow, diagonal, unfold, as_strided, each with its adjoint.

The adjoint of "read these elements" is "write them into zeros at the same places" (adding where places repeat):

    basic index    place_slice           diagonal      place_diagonal
    unfold         sum_windows           as_strided    restride
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.lifted import layout_of
from ..core.op import KEEP, LINEAR, VIEW, function, op
from ..core.tensor import Tensor, wrap
from ..shapes import as_int, normalize_dim, size_arguments
from ..strided import copied_in_order, element_strides, storage_offset, strided

# Basic indexing: ints, slices, None and Ellipsis. `index` is what NumPy is given, an Ellipsis included, so that the
# result is an array even where no dimension is left.

ALL = slice(None)


def _part(input, index):
    try:
        part = input[index]
    except IndexError as error:
        raise out_of_range(input, index, error) from None
    return part


def out_of_range(input, index, error) -> IndexError:
    """NumPy's IndexError in torch's words."""
    if input.ndim == 0:
        return IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert "
            "a 0-dim tensor to a number"
        )
    index = index if isinstance(index, tuple) else (index,)
    if sum(i is not None and i is not Ellipsis for i in index) > input.ndim:
        return IndexError(f"too many indices for tensor of dimension {input.ndim}")
    return IndexError(str(error).replace(" axis ", " dimension "))


_RULE = dict(input=lambda g, index, size: place_slice(g, index=index, size=size))


@op(VIEW, dtype=KEEP, vjp=_RULE, backward_name="SelectBackward0")
def select_view(input, *, index):
    """One place along one dimension, which goes."""
    return _part(input, index)


@op(VIEW, dtype=KEEP, vjp=_RULE, backward_name="SliceBackward0")
def slice_view(input, *, index):
    """The elements at a basic index: ints, slices and Ellipsis."""
    return _part(input, index)


@op(LINEAR, dtype=KEEP, vjp=dict(values=lambda g, index: slice_view(g, index=index)))
def place_slice(values, *, index, size):
    """Zeros of shape `size` with `values` at a basic index."""
    out = np.zeros(size, values.dtype)
    out[index] = values
    return out


@function(torch="select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of place `index` along `dim`, without that dimension. IndexError out of range."""
    shape = input.array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, place_ = normalize_dim(dim, len(shape), "select"), as_int(index, "index")
    if not -shape[dim] <= place_ < shape[dim]:
        raise IndexError(f"select(): index {place_} out of range for tensor of size {list(shape)} at dimension {dim}")
    return select_view(input, index=(ALL,) * dim + (place_, Ellipsis))


@function(torch="narrow")
def narrow(input: Tensor, dim: int, start, length: int) -> Tensor:
    """A view of `length` places from `start` (an int or 0-dim integer tensor) along `dim`. Raises out of range."""
    shape = input.array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Tensor) and (start.array.ndim or start.array.dtype.kind not in "iu"):
        raise RuntimeError("narrow(): start must be an 0-dim integral Tensor.")
    dim, start = normalize_dim(dim, len(shape), "narrow"), as_int(start, "start")
    n = shape[dim]
    if not -n <= start <= n:
        raise IndexError(f"narrow(): start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(
            f"narrow(): start ({start}) + length ({length}) exceeds dimension size ({n}).  Tensor sizes: {list(shape)}"
        )
    return slice_view(input, index=(ALL,) * dim + (slice(start, start + length), Ellipsis))


# Diagonals.


@op(
    VIEW,
    dtype=KEEP,
    vjp=dict(
        input=lambda g, size, offset, dim1, dim2: place_diagonal(g, size=size, offset=offset, dim1=dim1, dim2=dim2)
    ),
    backward_name="DiagonalBackward0",
)
def diagonal_view(input, *, offset, dim1, dim2):
    """z[..., i] = input[..., i, i + offset], where i and i + offset index dimensions dim1 and dim2."""
    rest = [d for d in range(input.ndim) if d not in (dim1, dim2)]
    rows, columns = input.shape[dim1], input.shape[dim2]
    row, column = input.strides[dim1], input.strides[dim2]
    n = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    start = (-offset * row if offset < 0 else offset * column) if n else 0
    shape, strides = [input.shape[d] for d in rest], [input.strides[d] for d in rest]
    return strided(input, (*shape, n), (*strides, row + column), start)


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(values=lambda g, offset, dim1, dim2: diagonal_view(g, offset=offset, dim1=dim1, dim2=dim2)),
)
def place_diagonal(values, *, size, offset, dim1, dim2):
    """Zeros of shape `size` with `values` on a diagonal."""
    out = np.zeros(size, values.dtype)
    diagonal_view.__wrapped__(out, offset=offset, dim1=dim1, dim2=dim2)[...] = values
    return out


@function(torch="diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the elements [i, i + offset] of dimensions `dim1` and `dim2`, as the last dimension."""
    ndim = input.array.ndim
    dim1, dim2 = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diagonal_view(input, offset=as_int(offset, "offset"), dim1=dim1, dim2=dim2)


@function(torch="linalg.diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """`diagonal` of the last two dimensions."""
    return diagonal(A, offset, dim1, dim2)


# Windows.


@op(
    VIEW,
    dtype=KEEP,
    vjp=dict(input=lambda g, size, dim, window, step: sum_windows(g, size=size, dim=dim, window=window, step=step)),
    backward_name="UnfoldBackward0",
)
def unfold_view(input, *, dim, window, step):
    """z[..., i, ..., k] = input[..., i * step + k, ...]: windows along a dimension, as a new last dimension."""
    if input.ndim == 0:
        return strided(input, (window,), (input.itemsize,))
    shape, strides = list(input.shape), list(input.strides)
    shape[dim] = (shape[dim] - window) // step + 1
    strides[dim] *= step
    return strided(input, (*shape, window), (*strides, input.strides[dim]))


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(values=lambda g, dim, window, step: unfold_view(g, dim=dim, window=window, step=step)),
)
def sum_windows(values, *, size, dim, window, step):
    """Windows added up into zeros of shape `size`, each where it was taken from."""
    out = np.zeros(size, values.dtype)
    if out.ndim == 0:
        return values.sum(dtype=values.dtype)
    count = values.shape[dim]
    for k in range(window):
        out[(ALL,) * dim + (slice(k, k + (count - 1) * step + 1, step),)] += values[..., k]
    return out


@function(torch="Tensor.unfold")
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of `size` places, `step` apart, along `dimension`; the window is the last dimension."""
    shape = input.array.shape
    dim = normalize_dim(dimension, len(shape))
    longest = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > longest:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {longest} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return unfold_view(input, dim=dim, window=size, step=step)


# Any strides. A layout is (shape, strides, offset), in elements, the offset counted from the input's first element.


@op(
    VIEW,
    dtype=KEEP,
    vjp=dict(input=lambda g, layout, source: _restride_shared(g, layout, source)),
    backward_name="AsStridedBackward0",
)
def as_strided_view(input, *, layout, source):
    """The memory of the input (whose own layout is `source`) read with another layout."""
    shape, strides, offset = layout
    itemsize = input.itemsize
    return strided(input, shape, [s * itemsize for s in strides], offset * itemsize)


def _places(layout, first: int) -> np.ndarray:
    """The place in memory of every element of a layout, `first` being counted as 0."""
    shape, strides, offset = layout
    places = np.full(shape, offset - first, np.int64)
    for d, (n, s) in enumerate(zip(shape, strides, strict=True)):
        places += (np.arange(n) * s).reshape((n,) + (1,) * (len(shape) - d - 1))
    return places


def _span(*layouts) -> tuple[int, int]:
    """The first place that one of the layouts reaches, and how many follow."""
    starts, ends = [], []
    for shape, strides, offset in layouts:
        if 0 not in shape:
            starts.append(offset)
            ends.append(offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1)
    first = min(starts, default=0)
    return first, max(ends, default=0) - first


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(values=lambda g, source, target: restride(g, source=target, target=source)),
    backward_name="AsStridedBackward0",
)
def restride(values, *, source, target):
    """`values` written (added) into a memory of zeros with the layout `source`, which is then read as `target`."""
    first, length = _span(source, target)
    memory = np.zeros(length, values.dtype)
    np.add.at(memory, _places(source, first), values)
    shape, strides, offset = target
    itemsize = memory.itemsize
    view = strided(memory, shape, [s * itemsize for s in strides], (offset - first) * itemsize)
    return copied_in_order(view, view.dtype)


def _restride_shared(g: Tensor, layout, source) -> Tensor:
    """The gradient of `as_strided`; where several elements of the input share a place, they share its gradient."""
    shape, strides, _ = source
    found = restride(g, source=layout, target=source)
    if any(s == 0 and n > 1 for n, s in zip(shape, strides, strict=True)):
        first, length = _span(source)
        places = _places(source, first)
        shared = np.bincount(places.ravel(), minlength=length)[places]
        found = found / wrap(shared.astype(found.array.dtype))
    return found


@function(torch="as_strided")
def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """The memory that `input` stands in, read with any `size`, `stride` and `storage_offset` (in elements).

    RuntimeError where that would leave the memory.
    """
    array = input.array
    size, stride = size_arguments((size,)), size_arguments((stride,))
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    offset = 0 if storage_offset is None else as_int(storage_offset, "storage_offset") - _own_offset(layout_of(array))
    layout = size, stride, offset
    try:
        return as_strided_view(input, layout=layout, source=(array.shape, element_strides(array), 0))
    except (RuntimeError, TypeError):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {_own_offset(layout_of(array)) + offset} are "
            "out of bounds for the storage of the tensor"
        ) from None


_own_offset = storage_offset
