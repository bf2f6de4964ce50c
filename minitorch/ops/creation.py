"""New tensors: filled with one number, uninitialised, or with numbers in steps.

All take the keywords `dtype`, `device`, `requires_grad` and, where torch has it, `out`; `layout` and `pin_memory` are
accepted and mean nothing on a CPU. The default type is the default floating type. Sizes below zero raise RuntimeError.
"""

from __future__ import annotations

import math
import operator
import warnings

import numpy as np

from ..core.op import function
from ..core.tensor import Tensor
from ..devices import check_device
from ..rounding import FLOAT32, FLOAT64, fma
from .data import as_tensor, from_numpy, new_array, tensor
from .factory import (
    as_number,
    cast_values,
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
    return empty_like_array(input.array, numpy_type(name, dtype, input.array.dtype), memory_format)


@function(torch="empty_like")
def empty_like(
    input, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False, memory_format=None
) -> Tensor:
    """Uninitialised memory of the shape, type and memory order of `input`."""
    return finished(_like("empty_like", input, dtype, device, memory_format), requires_grad)


@function(torch="zeros_like")
def zeros_like(
    input, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape, type and memory order of `input`."""
    array = _like("zeros_like", input, dtype, device, memory_format)
    array[...] = 0
    return deliver("zeros_like", array, out, requires_grad)


@function(torch="ones_like")
def ones_like(
    input, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Ones of the shape, type and memory order of `input`."""
    array = _like("ones_like", input, dtype, device, memory_format)
    array[...] = 1
    return deliver("ones_like", array, out, requires_grad)


@function(torch="full_like")
def full_like(
    input, fill_value, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """`fill_value` everywhere, in the shape, type and memory order of `input`."""
    array = _like("full_like", input, dtype, device, memory_format)
    array[...] = _filled("full_like", (), fill_value, array.dtype)
    return finished(array, requires_grad)


@function(torch="Tensor.new_empty")
def new_empty(
    self, *sizes, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Uninitialised memory of the type of this tensor."""
    return create("new_empty", np.empty, sizes, size, None, dtype or self.dtype, device, requires_grad)


@function(torch="Tensor.new_zeros")
def new_zeros(
    self, *sizes, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Zeros of the type of this tensor."""
    return create("new_zeros", np.zeros, sizes, size, None, dtype or self.dtype, device, requires_grad)


@function(torch="Tensor.new_ones")
def new_ones(
    self, *sizes, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Ones of the type of this tensor."""
    return create("new_ones", np.ones, sizes, size, None, dtype or self.dtype, device, requires_grad)


@function(torch="Tensor.new_full")
def new_full(
    self, size, fill_value, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """`fill_value` everywhere, of the type of this tensor."""
    return full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


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
def eye(
    n, m=None, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
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


# Numbers in steps.


def _read_bounds(bounds: tuple, start, end, step) -> list:
    """arange(end), arange(start, end), arange(start, end, step), each also by keyword."""
    if len(bounds) == 1 and start is None and end is None:
        if step is not None:
            raise TypeError("arange(): with 'step', both 'start' and 'end' must be given")
        bounds, end = (), bounds[0]
    given = [*bounds, *[None] * (3 - len(bounds))]
    for i, value in enumerate((start, end, step)):
        if value is not None:
            if len(bounds) > i:
                raise TypeError(f"arange() got multiple values for argument '{('start', 'end', 'step')[i]}'")
            given[i] = value
    if len(bounds) > 3 or given[1] is None:
        raise TypeError(f"arange() takes (end), (start, end) or (start, end, step), got {len(bounds)} numbers")
    return [
        default if value is None else as_number("arange", name, value)
        for name, value, default in zip(("start", "end", "step"), given, (0, None, 1), strict=True)
    ]


def _check_steps(start, end, step) -> None:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if math.isnan(step) or (step > 0 and end < start) or (step < 0 and end > start):
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: {start} to {end} by {step}")


@function(torch="arange")
def arange(
    *bounds, start=None, end=None, step=None, out=None, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... without `end`: `arange(end)`, `arange(start, end)` or `arange(start, end, step)`.

    int64 when all three are integers, else the default floating type. Element i is start + i * step, computed in
    float64 and rounded once (torch rounds the start of every vector of eight first, so its last digit may differ).
    RuntimeError for a zero step and for one that leads away from `end`.
    """
    check_device(device)
    first, last, stride = _read_bounds(bounds, start, end, step)
    whole = not any(isinstance(x, float) for x in (first, last, stride))
    target = type_with_out("arange", dtype, out, INT64 if whole else None)
    if target.kind == "b":
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    _check_steps(first, last, stride)
    return deliver("arange", _arange(first, last, stride, target), out, requires_grad)


def _arange(start, end, step, dtype: np.dtype) -> np.ndarray:
    if dtype.kind not in "iu":
        return cast_values(_steps(start, step, math.ceil((end - start) / step)), dtype)
    first, last, stride = int(start), int(end), int(step)
    if dtype == INT64:  # only int64 rounds its bounds before it counts
        if stride == 0:
            raise ValueError(f"step must be nonzero: {step} as int64")
        return np.arange(first, last, stride, INT64)
    count = math.ceil((end - start) / step)
    return (first + stride * np.arange(count, dtype=INT64)).astype(dtype)


def _steps(start: float, step: float, count: int) -> np.ndarray:
    return fma(np.arange(count, dtype=FLOAT64), step, start)


@function(torch="range")
def range_(
    start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
) -> Tensor:  # fmt: skip
    """As `arange`, but with `end` included and floating by default. Deprecated in torch, with a warning."""
    warnings.warn(
        "range is deprecated because its behavior is inconsistent with Python's range builtin. Instead, use arange, "
        "which produces values in [start, end).",
        stacklevel=2,
    )
    check_device(device)
    first, last, stride = (as_number("range", *x) for x in (("start", start), ("end", end), ("step", step)))
    target = type_with_out("range", dtype, out)
    _check_steps(first, last, stride)
    count = math.floor((last - first) / stride) + 1
    return deliver("range", cast_values(_steps(first, stride, count), target), out, requires_grad)


def _read_ends(name: str, start, end, steps) -> tuple:
    for argument, value in (("start", start), ("end", end)):
        if isinstance(value, Tensor) and value.array.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimension start and end tensors, but got {argument} with "
                f"{value.array.ndim} dimension(s)."
            )
    try:
        steps = operator.index(steps)
    except TypeError:
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(steps).__name__}") from None
    if steps < 0:
        raise RuntimeError(f"{name}(): number of steps must be non-negative, got {steps}")
    return as_number(name, "start", start), as_number(name, "end", end), steps


def _spaced(start, end, steps: int, dtype: np.dtype) -> np.ndarray:
    """`steps` numbers from start to end, each computed from the nearer end, in the precision of `dtype` (float64 for
    integers) and not yet converted to it."""
    first, last = number_of_type("linspace", start, dtype), number_of_type("linspace", end, dtype)
    if dtype.kind in "biu":
        dtype = FLOAT64
        first, last = float(first), float(last)
    if steps == 1:
        return np.array([first], dtype)
    step = (dtype.type(last) - dtype.type(first)) / dtype.type(steps - 1)
    ascending = np.arange(steps // 2).astype(dtype)
    descending = np.arange(steps - steps // 2 - 1, -1, -1).astype(dtype)
    if dtype in (FLOAT32, FLOAT64):
        return np.concatenate((fma(ascending, step, first), fma(descending, -step, last)))
    return np.concatenate((first + step * ascending, last - step * descending))


@function(torch="linspace")
def linspace(
    start, end, steps, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    check_device(device)
    target = type_with_out("linspace", dtype, out)
    if target.kind == "b":
        raise NotImplementedError("\"linspace_cpu\" not implemented for 'Bool'")
    array = cast_values(_spaced(*_read_ends("linspace", start, end, steps), target), target)
    return deliver("linspace", array, out, requires_grad)


@function(torch="logspace")
def logspace(
    start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base**start to base**end whose exponents are at equal distances."""
    check_device(device)
    target = type_with_out("logspace", dtype, out)
    if target.kind == "b":
        raise NotImplementedError("\"logspace_cpu\" not implemented for 'Bool'")
    powers = _log_spaced(*_read_ends("logspace", start, end, steps), float(base), target)
    return deliver("logspace", cast_values(powers, target), out, requires_grad)


def _log_spaced(start, end, steps: int, base: float, dtype: np.dtype) -> np.ndarray:
    """Powers whose exponents are counted from the nearer end; exponents and powers are float64 for every type."""
    if steps == 1:
        return np.power(base, np.array([float(start)]))
    first, last = number_of_type("logspace", start, dtype), number_of_type("logspace", end, dtype)
    extent = int(last) - int(first) if dtype.kind in "iu" else float(last - first)
    step = extent / max(steps - 1, 1)
    ascending, descending = np.arange(steps // 2), np.arange(steps - steps // 2 - 1, -1, -1)
    return np.power(base, np.concatenate((float(first) + step * ascending, float(last) - step * descending)))
