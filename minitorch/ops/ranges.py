"""New vectors of numbers in steps: `arange`, `linspace`, `logspace`. The keywords are those of `creation.py`."""

from __future__ import annotations

import math
import operator
import warnings
from typing import Any

import numpy as np

from ..core.op import function
from ..core.tensor import Tensor
from ..devices import check_device
from ..rounding import FLOAT32, FLOAT64, fma
from .factory import as_number, cast_values, deliver, number_of_type, type_with_out

INT64 = np.dtype(np.int64)


def _read_bounds(bounds: tuple[Any, ...], start, end, step) -> list:
    """arange(end), arange(start, end), arange(start, end, step), each also by keyword."""
    if len(bounds) == 1 and start is None and end is None:
        if step is not None:
            raise TypeError("arange(): with 'step', both 'start' and 'end' must be given")
        end, bounds = bounds[0], ()
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


def _deliver(name: str, array: np.ndarray, out: Tensor | None, requires_grad: bool) -> Tensor:
    """As `deliver`; an `out` with as many elements keeps its shape, whatever that is."""
    if out is not None and out.array.size == array.size:
        array = array.reshape(out.array.shape)
    return deliver(name, array, out, requires_grad)


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
    return _deliver("arange", _arange(first, last, stride, target), out, requires_grad)


def _arange(start, end, step, dtype: np.dtype) -> np.ndarray:
    if dtype.kind not in "iu":
        return cast_values(_steps(start, step, math.ceil((end - start) / step)), dtype)
    first, last, stride = int(start), int(end), int(step)
    if dtype == INT64:  # only int64 rounds its bounds before it counts
        if stride == 0:
            raise ValueError(f"step must be nonzero: {step} as int64")
        return np.arange(first, last, stride, dtype=INT64)
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
    return _deliver("range", cast_values(_steps(first, stride, count), target), out, requires_grad)


def _read_ends(name: str, start, end, steps) -> tuple[Any, Any, int]:
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
    first: Any = number_of_type("linspace", start, dtype)
    last: Any = number_of_type("linspace", end, dtype)
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
    return _deliver("linspace", array, out, requires_grad)


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
    return _deliver("logspace", cast_values(powers, target), out, requires_grad)


def _log_spaced(start, end, steps: int, base: float, dtype: np.dtype) -> np.ndarray:
    """Powers whose exponents are counted from the nearer end; exponents and powers are float64 for every type."""
    if steps == 1:
        return np.power(base, np.array([float(start)]))
    first, last = number_of_type("logspace", start, dtype), number_of_type("logspace", end, dtype)
    extent = int(last) - int(first) if dtype.kind in "iu" else float(last - first)
    step = extent / max(steps - 1, 1)
    ascending, descending = np.arange(steps // 2), np.arange(steps - steps // 2 - 1, -1, -1)
    return np.power(base, np.concatenate((float(first) + step * ascending, float(last) - step * descending)))
