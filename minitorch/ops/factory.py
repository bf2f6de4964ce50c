"""What all functions that make new tensors share: reading sizes, types, numbers and `out`, and memory layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..core.inplace import write_out
from ..core.tensor import Tensor, set_requires_grad, wrap
from ..devices import check_device
from ..dtypes import as_numpy_dtype, from_numpy_dtype, get_default_dtype
from ..dtypes import dtype as DType
from ..rounding import as_type
from ..shapes import as_int
from ..strided import empty_in_order, is_dense, is_plain, memory_order, strided

NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


def finished(array: np.ndarray, requires_grad: bool) -> Tensor:
    """`array` as a new leaf."""
    tensor = wrap(array)
    if requires_grad:
        set_requires_grad(tensor, requires_grad)
    return tensor


def read_size(name: str, sizes: Sequence, size: Sequence[int] | None = None) -> tuple[int, ...]:
    """A size given as f(2, 3), f((2, 3)) or f(size=(2, 3)). TypeError for none or no ints, RuntimeError below zero."""
    if size is not None:
        if sizes or not isinstance(size, (tuple, list)):
            raise TypeError(f"{name}(): argument 'size' must be a tuple of ints, given once")
        sizes = size
    elif not sizes:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    elif len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    for n in sizes:
        if n.__class__ is not int:
            if isinstance(n, bool):
                raise TypeError(f"{name}(): argument 'size' must be a tuple of ints, not bool")
            return read_size(name, tuple([as_int(n, f"{name}(): an entry of 'size'") for n in sizes]) or ((),))
        if n < 0:
            raise RuntimeError(f"{name}: Dimension size must be non-negative, got {list(sizes)}")
    return tuple(sizes)


def numpy_type(name: str, dtype, default: np.dtype | None = None) -> np.dtype:
    """The NumPy type for the argument `dtype`; None is `default`, or the default floating type."""
    if dtype is None:
        return get_default_dtype().numpy if default is None else default
    if isinstance(dtype, DType):
        return dtype.numpy
    if dtype is float or dtype is int or dtype is bool:
        return as_numpy_dtype(dtype)
    raise TypeError(f"{name}(): argument 'dtype' must be a dtype, not {type(dtype).__name__}")


def type_with_out(name: str, dtype, out: Tensor | None, default: np.dtype | None = None) -> np.dtype:
    """As `numpy_type`, where a tensor given as `out` decides. RuntimeError when the two disagree."""
    if out is None:
        return numpy_type(name, dtype, default)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if dtype is not None and numpy_type(name, dtype) != out.array.dtype:
        raise RuntimeError(f"{name}(): dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    return out.array.dtype


def deliver(name: str, array: np.ndarray, out: Tensor | None, requires_grad: bool) -> Tensor:
    """`array` as a new leaf, or copied into `out`."""
    if out is None:
        return finished(array, requires_grad)
    return write_out(name, out, wrap(array))


def create(
    name: str, fill: Callable, sizes: tuple, size, out: Tensor | None, dtype, device, requires_grad: bool
) -> Tensor:
    """The tensor of the given size that `fill(shape, numpy_dtype)` fills."""
    check_device(device)
    shape = read_size(name, sizes, size)
    return deliver(name, fill(shape, type_with_out(name, dtype, out)), out, requires_grad)


def as_number(name: str, argument: str, value):
    """A Python number from a number, a NumPy scalar or a 0-dim tensor. TypeError for anything else."""
    if isinstance(value, Tensor) and value.array.ndim == 0:
        return value.item()
    if not isinstance(value, NUMBERS):
        raise TypeError(f"{name}(): argument '{argument}' must be Number, not {type(value).__name__}")
    return value.item() if isinstance(value, np.generic) else value


def check_range(values: np.ndarray, dtype: np.dtype) -> None:
    """RuntimeError when a number does not fit into the integer type `dtype`; negative integers down to -max may wrap
    into an unsigned one, as in C."""
    if dtype.kind not in "iu" or values.size == 0:
        return
    limits = np.iinfo(dtype)
    low = -limits.max if limits.min == 0 and values.dtype.kind != "f" else limits.min
    fits = (values >= low) & (values <= limits.max)
    if values.dtype.kind == "f":
        fits &= values < 2.0**63  # to which the largest int64 would be rounded
    if not fits.all():
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")


def number_of_type(name: str, value, dtype: np.dtype) -> np.ndarray:
    """A number as a 0-dim array of `dtype`. RuntimeError when it is out of range (inf and nan fit into floats),
    OverflowError for an int that no integer type holds."""
    value = as_number(name, "value", value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise OverflowError(f"{name}(): int too big to convert: {value}")
    given = np.array(value)
    check_range(given, dtype)
    converted = cast_values(given, dtype)
    if dtype.kind not in "biu" and np.isinf(converted.astype(np.float64)) and np.isfinite(value):
        raise RuntimeError(f"value cannot be converted to type {from_numpy_dtype(dtype).name} without overflow")
    return converted


def cast_values(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers to `dtype` in the way of a C cast: through int64 to the integer types."""
    if dtype.kind in "iu" and values.dtype.kind == "f":
        values = values.astype(np.int64)
    with np.errstate(over="ignore"):
        return as_type(values, dtype)


# Layouts.

CHANNELS_LAST = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


def empty_like_array(array: np.ndarray, dtype: np.dtype, memory_format=None) -> np.ndarray:
    """An uninitialised array of the same shape: dense, in the order of `array`, or in a memory format's."""
    wanted = getattr(memory_format, "name", "preserve")
    if wanted in CHANNELS_LAST:
        return empty_channels_last(array.shape, dtype, wanted)
    if wanted == "contiguous" or is_plain(array):
        return np.empty(array.shape, dtype)
    if is_dense(array):
        steps = [s // array.itemsize * dtype.itemsize for s in array.strides]
        return strided(np.empty(array.shape, dtype), array.shape, steps)
    order, _ = memory_order(array.shape, (array.shape, array.strides))
    return empty_in_order(array.shape, order, dtype)


def empty_channels_last(shape: Sequence[int], dtype: np.dtype, name: str) -> np.ndarray:
    order = CHANNELS_LAST[name]
    if len(shape) != len(order):
        raise RuntimeError(f"required rank {len(order)} tensor to use {name} format, got the shape {list(shape)}")
    return empty_in_order(shape, order, dtype)
