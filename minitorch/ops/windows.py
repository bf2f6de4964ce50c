"""Sliding windows over the last dimensions of an array: the geometry that convolution and pooling share.

A kernel of size k, with `dilation` d between its elements, slides in steps of `stride` s over an axis of size n that
was padded by p on both sides. It fits at

    positions = floor((n + 2p - d(k - 1) - 1) / s) + 1

places; at position j its element i lies on index  j s + i d  of the padded axis. Two ways to use that:

    windows(x, ...)         all windows at once, as a view of shape (..., *kernel, *positions)
    seen_by(offset, ...)    what one kernel element sees while the kernel slides: a slice per axis

`unroll` copies the windows out of an image, and its adjoint `roll_up` adds them back in.

Arrays only: nothing here knows of tensors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


def count_positions(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many places a kernel fits along one axis (zero or less when it is larger than the axis)."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def positions_of(size, kernel, stride, padding, dilation) -> tuple[int, ...]:
    """`count_positions` for every spatial dimension."""
    return tuple(map(count_positions, size, kernel, stride, padding, dilation))


def offsets(kernel: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The index of every element of the kernel, in row-major order."""
    return itertools.product(*map(range, kernel))


def seen_by(offset, positions, stride, dilation) -> tuple:
    """The index of a padded array that selects what kernel element `offset` sees at each position."""
    starts = [i * d for i, d in zip(offset, dilation, strict=True)]
    return (..., *[slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, positions, stride, strict=True)])


def windows(array: np.ndarray, kernel, positions, stride, dilation) -> np.ndarray:
    """All windows of a padded array as a read-only view: (..., *spatial) -> (..., *kernel, *positions)."""
    n = len(kernel)
    lead, spatial = array.strides[:-n], array.strides[-n:]
    shape = (*array.shape[:-n], *kernel, *positions)
    strides = (
        *lead,
        *[step * d for step, d in zip(spatial, dilation, strict=True)],
        *[step * s for step, s in zip(spatial, stride, strict=True)],
    )
    return as_strided(array, shape, strides, writeable=False)


def unroll(input: np.ndarray, kernel, positions, stride, padding, dilation) -> np.ndarray:
    """The windows of a batch of images, copied: (N, C, *spatial) -> (N, C, *kernel, *positions)."""
    return np.ascontiguousarray(windows(pad_array(input, padding, padding), kernel, positions, stride, dilation))


def roll_up(patches: np.ndarray, out: np.ndarray, stride, dilation) -> None:
    """Add windows (N, C, *kernel, *positions) into the padded images `out` where they came from."""
    n = (patches.ndim - 2) // 2
    kernel, positions = patches.shape[2 : 2 + n], patches.shape[2 + n :]
    for offset in offsets(kernel):
        place: tuple[Any, ...] = (slice(None), slice(None), *offset)
        out[seen_by(offset, positions, stride, dilation)] += patches[place]


def pad_array(array: np.ndarray, before, after, value=0) -> np.ndarray:
    """The array with its last dimensions extended by `before` and `after` elements of `value`; itself where by none."""
    if not any(before) and not any(after):
        return array
    n = len(before)
    spatial = array.shape[-n:]
    padded = np.full(
        (*array.shape[:-n], *[a + m + b for a, m, b in zip(before, spatial, after, strict=True)]), value, array.dtype
    )
    padded[crop(before, spatial)] = array
    return padded


def crop(before, size) -> tuple:
    """The index that takes `size` elements from position `before` on in the last dimensions."""
    return (..., *[slice(b, b + n) for b, n in zip(before, size, strict=True)])


def parts(batch: int, elements_each: int, limit: int = 1 << 18) -> Iterator[slice]:
    """Slices of the batch, each of which needs at most `limit` elements of working memory (but at least one item).

    A quarter of a million elements (1 MiB in float32) stays in a processor's second-level cache, and still makes a
    matrix product large enough to run at full speed.
    """
    step = max(1, limit // max(elements_each, 1))
    return (slice(i, min(i + step, batch)) for i in range(0, batch, step))
