"""Pooling: the largest element, the mean, or another power mean of every window that slides over an image.

Max pooling remembers where each maximum stood (its index in the plane h * W + w), so its derivative of any order only
moves numbers: backwards they are scattered to those places, and the adjoint of that gathers them again. Average
pooling is linear; its adjoint hands every mean's gradient, divided by the count, back to the window.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from ..core.op import GENERAL, LINEAR, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import as_int
from .family import renamed
from .windows import crop, offsets, pad_array, seen_by


def pool_positions(size, kernel_size, stride, padding, dilation, ceil_mode) -> tuple[int, ...]:
    """How many places the window takes; with `ceil_mode` also a last one that hangs over the end of the image."""
    found = []
    for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        count = (span + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:  # it would start beyond the image and its left padding
            count -= 1
        found.append(count)
    return tuple(found)


def padded_for(input, positions, kernel_size, stride, padding, dilation, value) -> np.ndarray:
    """The input with `value` around it, as far as the windows reach."""
    after = [
        max((m - 1) * s + d * (k - 1) + 1 - n - p, 0)
        for m, k, s, p, d, n in zip(
            positions, kernel_size, stride, padding, dilation, input.shape[-len(positions) :], strict=True
        )
    ]
    return pad_array(input, padding, after, value)


# Maxima.


def lowest(dtype: np.dtype):
    """The value that no element is below."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def flat_index(rows, size) -> np.ndarray:
    """The index in a flattened plane of every combination of the given indices along each dimension."""
    start: Any = np.int64(0)
    return reduce(lambda flat, step: flat[..., None] * step[1] + step[0], zip(rows, size, strict=True), start)


def keep_larger(values, indices, candidates) -> None:
    """Where a candidate is larger than the value so far, or nan, put it in its place, and its index too."""
    for seen, index in candidates:
        larger = seen > values
        if values.dtype.kind == "f":
            larger |= np.isnan(seen)
        np.copyto(values, seen, where=larger)
        np.copyto(indices, index, where=larger)


def max_with_indices(input, *, kernel_size, stride, padding, dilation, ceil_mode):
    """The maximum of every window, and its index in the plane: the first of equals; nan counts as the largest."""
    n = len(kernel_size)
    size = input.shape[-n:]
    positions = pool_positions(size, kernel_size, stride, padding, dilation, ceil_mode)
    padded = padded_for(input, positions, kernel_size, stride, padding, dilation, lowest(input.dtype))
    corners = [np.arange(m) * s - p for m, s, p in zip(positions, stride, padding, strict=True)]
    # A window of nothing but -inf points at its first element inside the image.
    inside = [c + np.maximum(0, -(c // d)) * d for c, d in zip(corners, dilation, strict=True)]
    values = np.full((*input.shape[:-n], *positions), lowest(input.dtype), input.dtype)
    indices = np.empty(values.shape, np.int64)
    indices[...] = flat_index(inside, size)
    corner = flat_index(corners, size)
    keep_larger(
        values,
        indices,
        (
            (
                padded[seen_by(offset, positions, stride, dilation)],
                corner + flat_index([i * d for i, d in zip(offset, dilation, strict=True)], size),
            )
            for offset in offsets(kernel_size)
        ),
    )
    return values, indices


def by_plane(array: np.ndarray, n: int) -> np.ndarray:
    """The last n dimensions flattened into one, all others into another."""
    return array.reshape(prod(array.shape[:-n]), prod(array.shape[-n:]))


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, indices, size, n: scatter_planes(g, indices, size=size, n=n)),
    backward_name="MaxPoolGatherBackward0",
)
def gather_planes(input, indices, *, n):
    """z[..., j] = x[..., indices[j]], the last n dimensions counted as one."""
    return np.take_along_axis(by_plane(input, n), by_plane(indices, n), axis=1).reshape(indices.shape)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, indices, n: gather_planes(g, indices, n=n)),
    backward_name="MaxPoolScatterBackward0",
)
def scatter_planes(input, indices, *, size, n):
    """x[..., i] = the sum of z[..., j] over all j whose indices[j] is i, in an array of shape `size`."""
    planes, length = prod(size[:-n]), prod(size[-n:])
    places = by_plane(indices, n) + np.arange(planes)[:, None] * length
    return np.bincount(places.ravel(), input.ravel(), planes * length).astype(input.dtype).reshape(size)


def declare_max_pool(n: int):
    return op(
        GENERAL,
        dtype=SAME,
        vjp=dict(input=lambda g, z, size, kernel_size: scatter_planes(g[0], z[1], size=size, n=len(kernel_size))),
        backward_name=f"MaxPool{n}DWithIndicesBackward0",
    )(renamed(max_with_indices, f"max_pool{n}d_with_indices"))


MAX_POOL = {n: declare_max_pool(n) for n in (2, 3)}


# Means.


def divisors(size, positions, kernel_size, stride, padding, count_include_pad, divisor_override):
    """By how much the sum of each window is divided: the number of its elements that count."""
    if divisor_override is not None:
        return np.int64(divisor_override)
    counts = []
    for m, k, s, p, n in zip(positions, kernel_size, stride, padding, size, strict=True):
        start = np.arange(m) * s - p
        first, last = (start, n + p) if count_include_pad else (np.maximum(start, 0), n)
        counts.append(np.minimum(start + k, last) - first)
    return reduce(lambda total, count: total[..., None] * count, counts, np.int64(1))


def window_means(input, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of every window; padding counts as zeros, or not at all."""
    size, once = input.shape[-len(kernel_size) :], (1,) * len(kernel_size)
    positions = pool_positions(size, kernel_size, stride, padding, once, ceil_mode)
    padded = padded_for(input, positions, kernel_size, stride, padding, once, 0)
    total = np.zeros((*input.shape[: -len(kernel_size)], *positions), input.dtype)
    for offset in offsets(kernel_size):
        total += padded[seen_by(offset, positions, stride, once)]
    count = divisors(size, positions, kernel_size, stride, padding, count_include_pad, divisor_override)
    if input.dtype.kind != "f":
        return (total - np.fmod(total, count)) // count  # rounded towards zero, as in C
    return np.divide(total, count.astype(input.dtype), out=total)


def spread_means(grad, *, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The adjoint of `window_means`: each mean's gradient, divided by the count, added to the window's elements."""
    n = len(kernel_size)
    positions, once = grad.shape[-n:], (1,) * n
    count = divisors(size[-n:], positions, kernel_size, stride, padding, count_include_pad, divisor_override)
    share = grad / count.astype(grad.dtype)
    reach = [
        max((m - 1) * s + k, p + length)
        for m, s, k, p, length in zip(positions, stride, kernel_size, padding, size[-n:], strict=True)
    ]
    out = np.zeros((*size[:-n], *reach), grad.dtype)
    for offset in offsets(kernel_size):
        out[seen_by(offset, positions, stride, once)] += share
    return np.ascontiguousarray(out[crop(padding, size[-n:])])


def declare_avg_pool(n: int):
    """avg_pool{n}d; it and avg_pool{n}d_backward are each other's adjoint."""

    def spread(g, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return backward(
            g, size=size, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad, divisor_override=divisor_override,
        )  # fmt: skip

    def average(g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return forward(
            g, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad, divisor_override=divisor_override,
        )  # fmt: skip

    names = f"avg_pool{n}d", f"avg_pool{n}d_backward"
    forward = op(LINEAR, dtype=SAME, vjp=dict(input=spread), backward_name=f"AvgPool{n}DBackward0")(
        renamed(window_means, names[0])
    )
    backward = op(LINEAR, dtype=SAME, vjp=dict(grad=average), backward_name=f"AvgPool{n}DBackwardBackward0")(
        renamed(spread_means, names[1])
    )
    return forward


AVG_POOL = {n: declare_avg_pool(n) for n in (2, 3)}


# Arguments as torch takes and refuses them.


def amounts(name: str, argument: str, value, n: int) -> tuple[int, ...]:
    """One int for each of n dimensions. RuntimeError for the wrong number of them."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, n):
        raise RuntimeError(f"{name}: {argument} must either be a single int, or a tuple of {n} ints, got {values}")
    values = tuple(as_int(v, f"{name}(): {argument}") for v in values)
    return values * n if len(values) == 1 else values


def geometry(name: str, n: int, input, kernel_size, stride, padding, dilation, ceil_mode) -> dict:
    """The arguments of a pooling over n dimensions, checked: RuntimeError where a window cannot be placed."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    kernel_size = amounts(name, "kernel_size", kernel_size, n)
    stride = kernel_size if stride is None or stride == () or stride == [] else amounts(name, "stride", stride, n)
    padding, dilation = amounts(name, "padding", padding, n), amounts(name, "dilation", dilation, n)
    shape = list(input.array.shape)
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got: {shape}"
        )
    for argument, values in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)):
        if min(values) < 1:
            raise RuntimeError(f"{name}: {argument} must be greater than zero, but got {values}")
    for p, k, d in zip(padding, kernel_size, dilation, strict=True):
        if not 0 <= p <= (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"{name}: pad must be non-negative and at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d}"
            )
    positions = pool_positions(shape[-n:], kernel_size, stride, padding, dilation, ceil_mode)
    if min(positions) < 1:
        raise RuntimeError(
            f"{name}: Given input size: {shape[-n:]}. Calculated output size: {positions}. Output size is too small"
        )
    if name == "avg_pool3d" and any(m < k for m, k in zip(shape[-n:], kernel_size, strict=True)):
        raise RuntimeError(f"{name}: input image {shape[-n:]} smaller than kernel size {list(kernel_size)}")  # unpadded
    return dict(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=bool(ceil_mode))


def with_batch(n: int, input: Tensor, along_rows: bool) -> Tensor:
    """`input` with a batch dimension; a sequence also becomes an image of one row, so that there is one kernel less."""
    if input.array.ndim == n + 1:
        input = input.unsqueeze(0)
    return input.unsqueeze(-2) if along_rows else input


def without_batch(n: int, input: Tensor, out: Tensor, along_rows: bool) -> Tensor:
    """`out` without what `with_batch` added."""
    if along_rows:
        out = out.squeeze(-2)
    return out.squeeze(0) if input.array.ndim == n + 1 else out


def as_image(arguments: dict) -> dict:
    """The arguments of a pooling of sequences as those of the same pooling of images of one row."""
    ones = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    return {name: (ones[name], *value) if name in ones else value for name, value in arguments.items()}


def pool_max(n, input, kernel_size, stride, padding, dilation, ceil_mode) -> tuple[Tensor, Tensor]:
    """(maxima, indices) over n spatial dimensions, batched or not."""
    arguments = geometry(f"max_pool{n}d", n, input, kernel_size, stride, padding, dilation, ceil_mode)
    if input.array.dtype == np.bool_:
        raise NotImplementedError(f"max_pool{n}d(): not implemented for 'Bool'")
    rows = n == 1
    pool = MAX_POOL[2 if rows else n]
    found = pool(with_batch(n, input, rows), **(as_image(arguments) if rows else arguments))
    values, indices = [without_batch(n, input, out, rows) for out in found]
    return values, indices


def pool_mean(n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override) -> Tensor:
    """Means over n spatial dimensions, batched or not."""
    arguments = geometry(f"avg_pool{n}d", n, input, kernel_size, stride, padding, 1, ceil_mode)
    del arguments["dilation"]
    if divisor_override == 0:
        raise RuntimeError(f"avg_pool{n}d: divisor must be not zero")
    if input.array.dtype.kind in "iub" and input.array.dtype != np.int64:
        raise NotImplementedError(f"avg_pool{n}d(): not implemented for {input.dtype}")
    rows = n == 1
    out = AVG_POOL[2 if rows else n](
        with_batch(n, input, rows),
        **(as_image(arguments) if rows else arguments),
        count_include_pad=bool(count_include_pad),
        divisor_override=divisor_override,
    )
    return without_batch(n, input, out, rows)


# What torch calls them.


@function(torch=("nn.functional.max_pool1d_with_indices", "max_pool1d_with_indices"))
def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
) -> tuple[Tensor, Tensor]:
    """The maxima of sliding windows over ([N,] C, L), and their indices."""
    return pool_max(1, input, kernel_size, stride, padding, dilation, ceil_mode)


@function(torch=("nn.functional.max_pool2d_with_indices",))
def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
) -> tuple[Tensor, Tensor]:
    """The maxima of sliding windows over ([N,] C, H, W), and their indices h * W + w."""
    return pool_max(2, input, kernel_size, stride, padding, dilation, ceil_mode)


@function(torch=("nn.functional.max_pool3d_with_indices",))
def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
) -> tuple[Tensor, Tensor]:
    """The maxima of sliding windows over ([N,] C, D, H, W), and their indices in the flattened volume."""
    return pool_max(3, input, kernel_size, stride, padding, dilation, ceil_mode)


@function(torch=("nn.functional.max_pool1d", "max_pool1d"))
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of every window that slides over ([N,] C, L); with `return_indices` also where it stands."""
    if not return_indices and isinstance(input, Tensor) and input.array.dtype.kind in "iub":
        raise NotImplementedError(f"max_pool1d(): not implemented for {input.dtype} without return_indices")
    found = pool_max(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found[0]


@function(torch=("nn.functional.max_pool2d", "max_pool2d"))
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of every window that slides over ([N,] C, H, W); with `return_indices` also where it stands.

    stride: default the kernel size. padding: -inf on both sides, at most half the kernel. ceil_mode: also a last window
    that hangs over the end. A nan counts as the largest. RuntimeError where no window fits.
    """
    found = pool_max(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found[0]


@function(torch=("nn.functional.max_pool3d", "max_pool3d"))
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The maximum of every window that slides over ([N,] C, D, H, W); with `return_indices` also where it stands."""
    found = pool_max(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return found if return_indices else found[0]


@function(torch=("nn.functional.avg_pool1d", "avg_pool1d"))
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True) -> Tensor:
    """The mean of every window that slides over ([N,] C, L)."""
    return pool_mean(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@function(torch="nn.functional.avg_pool2d")
def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
) -> Tensor:
    """The mean of every window that slides over ([N,] C, H, W).

    Zeros of the padding count as elements unless `count_include_pad` is False; `divisor_override` divides every sum by
    that number instead. RuntimeError where no window fits.
    """
    return pool_mean(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@function(torch="nn.functional.avg_pool3d")
def avg_pool3d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
) -> Tensor:
    """The mean of every window that slides over ([N,] C, D, H, W)."""
    return pool_mean(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def pool_norm(n, average, largest, input, norm_type, kernel_size, stride, ceil_mode) -> Tensor:
    """(sum over the window of x^p)^(1/p): the mean of x^p times the number of elements. The maximum of |x| for inf."""
    if norm_type == float("inf"):
        return largest(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    if norm_type == -float("inf"):
        return -largest(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    count = prod(amounts(f"lp_pool{n}d", "kernel_size", kernel_size, n))
    mean = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    # A window of zeros gets the gradient 0, where the root's would be infinite.
    return (mean.masked_fill(mean == 0, 0.0) * count).pow(1.0 / norm_type)


@function(torch="nn.functional.lp_pool1d")
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor:
    """The p-norm, without absolute values, of every window that slides over ([N,] C, L)."""
    return pool_norm(1, avg_pool1d, max_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


@function(torch="nn.functional.lp_pool2d")
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor:
    """The p-norm, without absolute values, of every window that slides over ([N,] C, H, W)."""
    return pool_norm(2, avg_pool2d, max_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


@function(torch="nn.functional.lp_pool3d")
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor:
    """The p-norm, without absolute values, of every window that slides over ([N,] C, D, H, W)."""
    return pool_norm(3, avg_pool3d, max_pool3d, input, norm_type, kernel_size, stride, ceil_mode)
