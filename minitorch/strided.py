"""Views of memory by strides: any shape, steps and starting point inside the memory that an array stands in.

(floor 0: NumPy arrays only, no Tensor here)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def storage_base(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory which `array` views."""
    while True:
        base = array.base
        if not isinstance(base, np.ndarray):
            base = getattr(base, "base", None)  # NumPy's as_strided puts an object between the two
        if not isinstance(base, np.ndarray):
            return array
        array = base


def address(array: np.ndarray) -> int:
    """Where the first element stands in the computer's memory, in bytes."""
    return array.__array_interface__["data"][0]


def storage_offset(array: np.ndarray) -> int:
    """Where the first element stands in the memory that `array` views, in elements."""
    base = storage_base(array)
    return 0 if base is array else (address(array) - address(base)) // array.itemsize


def element_strides(array: np.ndarray) -> tuple[int, ...]:
    """Steps in elements, which is how torch counts them (NumPy counts bytes)."""
    itemsize = array.itemsize
    return tuple([s // itemsize for s in array.strides])


def is_dense(array: np.ndarray) -> bool:
    """Whether the elements, in some order of the dimensions, fill a stretch of memory without gaps or sharing."""
    if array.flags.c_contiguous:
        return True
    step = array.itemsize
    for stride, size in sorted([(s, n) for s, n in zip(array.strides, array.shape, strict=True) if n != 1]):
        if stride != step:
            return False
        step *= size
    return True


def strided(array: np.ndarray, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> np.ndarray:
    """A view of `array`'s memory: `shape`, `strides` in bytes, starting `offset` bytes after the first element.

    It may reach beyond `array` itself, as far as the memory goes. ValueError where it would leave the memory.
    """
    dtype = array.dtype
    if offset == 0 and array.size and array.flags.c_contiguous and dtype.kind != "V":
        try:
            return np.ndarray(shape, dtype, array, 0, strides)
        except ValueError:
            pass  # it reaches beyond `array`
    if 0 in shape:
        return np.lib.stride_tricks.as_strided(array, shape, strides)
    base = storage_base(array)
    if base is not array:
        offset += address(array) - address(base)
    buffer = _row_major(base)
    if buffer is None:
        raise ValueError("the memory of this array has gaps, so it cannot be viewed by strides")
    if not base.size and 0 not in shape:  # NumPy would not notice
        raise ValueError("there is no memory to view")
    view = np.ndarray(shape, dtype, buffer, offset, strides)
    if not array.flags.writeable:
        view.flags.writeable = False
    return view


def _row_major(base: np.ndarray) -> np.ndarray | None:
    """All of `base`'s memory as a row-major array, whatever the order of its dimensions; None when it has gaps."""
    if base.dtype.kind == "V":  # bfloat16 cannot be handed over as a buffer, its bytes can
        base = base.view(f"u{base.itemsize}")
    if not base.flags.c_contiguous:
        base = base.transpose(sorted(range(base.ndim), key=lambda d: -base.strides[d]))
    return base if base.flags.c_contiguous else None
