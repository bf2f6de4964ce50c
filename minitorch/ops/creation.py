"""New tensors: filled with one number, uninitialised, or like another tensor (numbers in steps: `ranges.py`).

All take the keywords `dtype`, `device`, `requires_grad` and, where torch has it, `out`; `layout` and `pin_memory` are
accepted and mean nothing on a CPU. The default type is the default floating type. Sizes below zero raise RuntimeError.
"""

from __future__ import annotations

import operator

import numpy as np

from ..core.levels import like
from ..core.op import function
from ..core.tensor import Tensor
from ..devices import check_device
from ..memory_formats import check_memory_format
from .data import as_tensor, from_numpy, new_array, tensor
from .factory import (
    as_number,
    create,
    deliver,
    empty_channels_last,
    empty_like_array,
    finished,
    number_of_type,
    numpy_type,
    read_size,
    type_with_out,
)
from .ranges import arange, linspace, logspace

__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "empty_strided", "eye", "from_numpy", "full", "full_like", "linspace",
    "logspace", "ones", "ones_like", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip

INT64 = np.dtype(np.int64)


# By size.


@function(torch="zeros")
def zeros(
    *sizes, size=None, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    return create("zeros", np.zeros, sizes, size, out, dtype, device, requires_grad)


@function(torch="ones")
def ones(
    *sizes, size=None, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Ones: `ones(2, 3)` or `ones((2, 3))`."""
    return create("ones", np.ones, sizes, size, out, dtype, device, requires_grad)


@function(torch="empty")
def empty(
    *sizes, size=None, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Memory whose contents are whatever was there: `empty(2, 3)` or `empty((2, 3))`."""

    def fill(shape, dtype):
        check_memory_format("empty", memory_format)
        name = getattr(memory_format, "name", "contiguous")
        return np.empty(shape, dtype) if name == "contiguous" else empty_channels_last(shape, dtype, name)

    return create("empty", fill, sizes, size, out, dtype, device, requires_grad)


@function(torch="full")
def full(
    size, fill_value, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """`fill_value` everywhere; its kind (bool, int, float) decides the type when none is given.

    RuntimeError when the number does not fit into the type.
    """
    check_device(device)
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    value = as_number("full", "fill_value", fill_value)
    by_value = np.dtype(bool) if isinstance(value, bool) else INT64 if isinstance(value, int) else None
    target = type_with_out("full", dtype, out, by_value)
    return deliver("full", _filled("full", read_size("full", (size,)), value, target), out, requires_grad)


def _filled(name: str, shape, value, dtype: np.dtype) -> np.ndarray:
    return np.full(shape, number_of_type(name, value, dtype), dtype)


@function(torch="empty_strided")
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Uninitialised memory seen with the given strides (in elements)."""
    check_device(device)
    shape, steps = read_size("empty_strided", (size,)), tuple(operator.index(s) for s in stride)
    if len(shape) != len(steps):
        raise RuntimeError(
            f"empty_strided(): mismatch in length of strides and shape, {list(steps)} against {list(shape)}"
        )
    if any(s < 0 for s in steps):
        raise RuntimeError(f"empty_strided(): as strides must be non-negative, got {list(steps)}")
    target = numpy_type("empty_strided", dtype)
    needed = 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    memory = np.empty(needed, target)
    array = np.lib.stride_tricks.as_strided(memory, shape, [s * target.itemsize for s in steps])
    return finished(array, requires_grad)


# Like another tensor.


def _like(name: str, input, dtype, device, memory_format) -> np.ndarray:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    check_device(device)
    check_memory_format(name, memory_format)
    return empty_like_array(input.array, numpy_type(name, dtype, input.array.dtype), memory_format)


@function(torch="empty_like")
def empty_like(
    input, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False, memory_format=None
) -> Tensor:
    """Uninitialised memory of the shape, type and memory order of `input`."""
    return like(input, finished(_like("empty_like", input, dtype, device, memory_format), requires_grad))


@function(torch="zeros_like")
def zeros_like(
    input, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape, type and memory order of `input`."""
    array = _like("zeros_like", input, dtype, device, memory_format)
    array[...] = 0
    return like(input, deliver("zeros_like", array, out, requires_grad))


@function(torch="ones_like")
def ones_like(
    input, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Ones of the shape, type and memory order of `input`."""
    array = _like("ones_like", input, dtype, device, memory_format)
    array[...] = 1
    return like(input, deliver("ones_like", array, out, requires_grad))


@function(torch="full_like")
def full_like(
    input, fill_value, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """`fill_value` everywhere, in the shape, type and memory order of `input`."""
    array = _like("full_like", input, dtype, device, memory_format)
    array[...] = _filled("full_like", (), fill_value, array.dtype)
    return like(input, finished(array, requires_grad))


@function(torch="Tensor.new_empty")
def new_empty(
    self, *sizes, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Uninitialised memory of the type of this tensor."""
    return like(self, create("new_empty", np.empty, sizes, size, None, dtype or self.dtype, device, requires_grad))


@function(torch="Tensor.new_zeros")
def new_zeros(
    self, *sizes, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Zeros of the type of this tensor."""
    return like(self, create("new_zeros", np.zeros, sizes, size, None, dtype or self.dtype, device, requires_grad))


@function(torch="Tensor.new_ones")
def new_ones(
    self, *sizes, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Ones of the type of this tensor."""
    return like(self, create("new_ones", np.ones, sizes, size, None, dtype or self.dtype, device, requires_grad))


@function(torch="Tensor.new_full")
def new_full(
    self, size, fill_value, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """`fill_value` everywhere, of the type of this tensor."""
    return like(self, full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad))


@function(torch="Tensor.new_empty_strided")
def new_empty_strided(
    self, size, stride, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Uninitialised memory of the type of this tensor, seen with the given strides."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


@function(torch="Tensor.new")
def new(self, *data, device=None) -> Tensor:
    """Old spelling: `new(2, 3)` is uninitialised memory of that size, `new([1, 2])` a copy of data, `new()` empty."""
    check_device(device)
    if len(data) == 1 and not isinstance(data[0], int):
        return finished(new_array(data[0], self.array.dtype), False)
    return new_empty(self, data or (0,))


# Matrices of ones and zeros, and the places of triangles.


@function(torch="eye")
def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:
    """Ones on the diagonal of an n x m matrix (m = n unless given), zeros elsewhere."""
    check_device(device)
    for name, count in (("n", n), ("m", n if m is None else m)):
        if isinstance(count, (float, str)):
            raise TypeError(f"eye(): argument '{name}' must be int, not {type(count).__name__}")
        if count < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {count}")
    columns = None if m is None else operator.index(m)
    array = np.eye(operator.index(n), columns, dtype=type_with_out("eye", dtype, out))
    return deliver("eye", array, out, requires_grad)


def _triangle(name: str, places, row: int, col: int, offset: int, dtype, device) -> Tensor:
    check_device(device)
    for side, count in (("row", row), ("col", col)):
        if count < 0:
            raise RuntimeError(f"{name}(): {side} must be non-negative, got {count}")
    target = numpy_type(name, dtype, INT64)
    if target.kind not in "iu":
        raise NotImplementedError(f'"{name}" not implemented for {target}')
    return finished(np.stack(places(row, offset, col)).astype(target, copy=False), False)


@function(torch="tril_indices")
def tril_indices(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=False) -> Tensor:
    """The places on and below a diagonal of a row x col matrix, row by row: (2, number of places)."""
    return _triangle("tril_indices", np.tril_indices, row, col, offset, dtype, device)


@function(torch="triu_indices")
def triu_indices(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=False) -> Tensor:
    """The places on and above a diagonal of a row x col matrix, row by row: (2, number of places)."""
    return _triangle("triu_indices", np.triu_indices, row, col, offset, dtype, device)
