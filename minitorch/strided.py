"""Views of memory by strides: any shape, steps and starting point inside the memory that an array stands in.

(floor 0: NumPy arrays only, no Tensor here)
"""

from __future__ import annotations

import functools
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


def is_row_by_row(array: np.ndarray) -> bool:
    """Whether the array asks for row-major results of elementwise operations: it is row-major, or all one number."""
    if array.ndim < 2 or (array.flags.c_contiguous and 1 not in array.shape):
        return True
    steps = list(zip(array.strides, array.shape, strict=True))
    return not any(array.strides) or (array.flags.c_contiguous and steps == sorted(steps, reverse=True))


def is_plain(array: np.ndarray) -> bool:
    """Whether the strides are those of a new row-major array, also along dimensions of size 1, where any would do."""
    if not array.flags.c_contiguous:
        return False
    if 1 not in array.shape:
        return True
    step = array.itemsize
    for n, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if stride != step:
            return False
        step *= n
    return True


def arranged(out: np.ndarray, inputs: Sequence[np.ndarray | None]) -> np.ndarray:
    """`out`, the result of an elementwise operation on `inputs`, in torch's memory order: copied if NumPy's differs."""
    for a in inputs:
        if a is not None and not is_row_by_row(a):
            break
    else:
        return out
    layouts = [(a.shape, a.strides) for a in inputs if a is not None]
    return out if layouts == [(out.shape, out.strides)] * len(layouts) else ordered_by(out, layouts)


def ordered_by(out: np.ndarray, layouts: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> np.ndarray:
    """`out` in the `memory_order` of inputs with these shapes and strides, copied if it is not so already."""
    order, places = memory_order(out.shape, *layouts)
    ordered = out.transpose(order)
    if ordered.flags.c_contiguous and 1 not in out.shape:
        return out
    # Through one dimension, so that dimensions of size 1 have torch's strides too: they take part in the order.
    return ordered.reshape(-1).reshape(ordered.shape).transpose(places)


def copied_in_order(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A copy as `dtype` that keeps the strides of a dense array, and the order of the dimensions of any other."""
    if is_plain(array):
        return array.astype(dtype)
    strides = array.strides
    if array.flags.c_contiguous:
        return strided(array.astype(dtype), array.shape, [s // array.itemsize * dtype.itemsize for s in strides])
    if 0 not in strides and len(set(strides)) == len(strides):
        return array.astype(dtype)  # no two dimensions of equal stride: NumPy's order is torch's
    order, places = memory_order(array.shape, (array.shape, strides))
    return array.transpose(order).astype(dtype, "C").transpose(places)


def lies_channels_last(array: np.ndarray) -> bool:
    """Whether images or volumes (N, C, ..., W) lie in memory as (N, ..., W, C), by torch's test of their strides."""
    least = 0
    for d in (1, *range(array.ndim - 1, 1, -1), 0):
        size, step = array.shape[d], array.strides[d]
        if size == 0 or step < least or (d == 1 and step == 0) or (d == 0 and least == array.strides[1]):
            return False
        least = step * size if size > 1 else step
    return True


def empty_in_order(shape: Sequence[int], order: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An uninitialised dense array whose dimensions lie in memory in this order, the outermost first."""
    inverse = [0] * len(order)
    for position, d in enumerate(order):
        inverse[d] = position
    return np.empty([shape[d] for d in order], dtype).transpose(inverse)


def empty_as_suggested(shape: Sequence[int], arrays: Sequence[np.ndarray]) -> np.ndarray:
    """A new array of the arrays' type and rank: channels last where all of them lie so, else row by row."""
    if len(shape) not in (4, 5) or not all([lies_channels_last(a) for a in arrays]):
        return np.empty(shape, arrays[0].dtype)
    return empty_in_order(shape, (0, *range(2, len(shape)), 1), arrays[0].dtype)


@functools.lru_cache(1024)
def memory_order(
    shape: tuple[int, ...], *inputs: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[list[int], list[int]]:
    """The dimensions, outermost first, in the order in which torch lays out the result of an elementwise operation,
    and the place of each dimension in that order.

    inputs: the shape and the strides of each; they broadcast to `shape`. The first input that tells two dimensions apart
    decides; dimensions of equal stride go by size, and broadcast ones stay where they are. (An insertion sort, as in
    torch's TensorIterator: the comparison is not transitive, so another sort could end differently.)
    """
    strides = [_aligned(size, steps, shape) for size, steps in inputs]

    def verdict(outer: int, inner: int) -> int:
        """1: they change places; -1: they stay; 0: no input tells."""
        for steps in strides:
            a, b = steps[outer], steps[inner]
            if a and b:
                if a != b:
                    return 1 if a < b else -1
                if shape[outer] < shape[inner]:
                    return 1
        return 0

    order = list(range(len(shape)))
    for i in range(len(order) - 2, -1, -1):
        place = i
        for inner in range(i + 1, len(order)):
            found = verdict(order[place], order[inner])
            if found > 0:
                order[place], order[inner] = order[inner], order[place]
                place = inner
            elif found < 0:
                break
    return order, [order.index(d) for d in range(len(order))]


def _aligned(size: Sequence[int], strides: Sequence[int], shape: Sequence[int]) -> list[int]:
    """The strides of an array of shape `size` when it is broadcast to `shape`."""
    extra = len(shape) - len(size)
    return [0] * extra + [0 if n == 1 and shape[extra + d] != 1 else strides[d] for d, n in enumerate(size)]


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
