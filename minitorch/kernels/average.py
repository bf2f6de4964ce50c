"""avg_pool2d and its gradient, plane by plane.

    z[i, j]  = 1 / count[i, j]  *  sum over a, b of x[i s - p + a, j s - p + b]
    gx[r, c] = sum of g[i, j] / count[i, j] over the windows (i, j) that hold (r, c)

NumPy adds one slice of all planes for each element (a, b) of the window: as many passes over memory. Here the two sums are done one
after the other, rows of the plane first, which lie side by side for the processor's vectors; each column of that sum is
then used by up to k / s results of the row.

       a = 0   x x x x x x x
       a = 1   x x x x x x x        +  t t t t t t t  ->  z[i, 0] = t t t,  z[i, 1] = t t t  (k = 3, s = 2), ...
       a = 2   x x x x x x x

In the gradient it is the other way round: the results of a row are spread over its columns, and the rows are summed.
"""

from math import prod

import numpy as np

from . import threads
from .jit import following, njit, plain, take_many
from .pool import TOGETHER, windows
from .registry import accelerates

__all__ = ["avg_pool2d", "avg_pool2d_backward"]


@njit
def average_planes(counter, x, out, rows, columns, kernel, stride, padding):
    """One thread. x, out: planes; rows, columns: the counts are their products."""
    (planes, height, width), (_, out_height, out_width) = x.shape, out.shape
    sums = np.zeros(max(width + padding[1], (out_width - 1) * stride[1] + kernel[1]), x.dtype)  # of padded rows
    inside = sums[padding[1] : padding[1] + width]
    together = max(1, TOGETHER // (out_height * out_width))
    plane = take_many(counter, planes, together)
    while plane < planes:
        for i in range(out_height):
            top = i * stride[0] - padding[0]
            inside[:] = 0
            for row in range(max(0, top), min(height, top + kernel[0])):
                source = x[plane, row]
                for c in range(width):
                    inside[c] += source[c]
            target = out[plane, i]
            for j in range(out_width):
                total = x.dtype.type(0)
                for b in range(j * stride[1], j * stride[1] + kernel[1]):
                    total += sums[b]
                target[j] = total / x.dtype.type(rows[i] * columns[j])
        plane = following(counter, plane, planes, together)


@njit
def spread_planes(counter, grad, out, rows, columns, kernel, stride, padding):
    """One thread. grad, out: planes; rows, columns: the counts are their products."""
    (planes, height, width), (_, out_height, out_width) = out.shape, grad.shape
    # Each row of results spread over the columns of the padded plane.
    spread = np.empty((out_height, max(width + padding[1], (out_width - 1) * stride[1] + kernel[1])), grad.dtype)
    together = max(1, TOGETHER // (height * width))
    plane = take_many(counter, planes, together)
    while plane < planes:
        spread[:] = 0
        for i in range(out_height):
            line = spread[i]
            for j in range(out_width):
                share = grad[plane, i, j] / grad.dtype.type(rows[i] * columns[j])
                for b in range(j * stride[1], j * stride[1] + kernel[1]):
                    line[b] += share
        for r in range(height):
            target = out[plane, r]
            target[:] = 0
            at = r + padding[0]
            for i in range(max(0, -((kernel[0] - 1 - at) // stride[0])), min(out_height, at // stride[0] + 1)):
                source = spread[i, padding[1] : padding[1] + width]
                for c in range(width):
                    target[c] += source[c]
        plane = following(counter, plane, planes, together)


def counts(size, out_size, kernel, stride, padding, count_include_pad, divisor_override):
    """How many rows and how many columns each window averages over, its part in the padding counted or not."""
    if divisor_override is not None:
        return np.full(out_size[0], divisor_override), np.ones(out_size[1], np.int64)
    found = []
    for n, m, k, s, p in zip(size, out_size, kernel, stride, padding, strict=True):
        start = np.arange(m) * s - p
        end = np.minimum(start + k, n + p)
        found.append(end - start if count_include_pad else np.minimum(end, n) - np.maximum(start, 0))
    return tuple(found)


def run(kernel, x, out, size, out_size, kernel_size, stride, padding, count_include_pad, divisor_override) -> None:
    """Call the kernel on planes of `size` or `out_size`, one of which is x, the other out."""
    work = len(out) * prod(out_size) * (8 * prod(kernel_size) + 20)
    threads.run(
        kernel, threads.threads_for(work), x, out,
        *counts(size, out_size, kernel_size, stride, padding, count_include_pad, divisor_override), tuple(kernel_size),
        tuple(stride), tuple(padding),
    )  # fmt: skip


@accelerates("avg_pool2d")
def avg_pool2d(input, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """input (.., H, W) to the means of its windows (.., oH, oW)."""
    *batch, height, width = input.shape
    size = height, width
    out_size = tuple(
        windows(n, k, s, p, 1, ceil_mode) for n, k, s, p in zip(size, kernel_size, stride, padding, strict=True)
    )
    out = np.empty((prod(batch), *out_size), input.dtype)
    if out.size:
        x = plain(input).reshape(-1, *size)
        run(average_planes, x, out, size, out_size, kernel_size, stride, padding, count_include_pad, divisor_override)
    return out.reshape(*batch, *out_size)


@accelerates("avg_pool2d_backward")
def avg_pool2d_backward(grad, *, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """grad (.., oH, oW) to the gradient of an input of shape `size` (.., H, W)."""
    if not grad.size:
        return np.zeros(size, grad.dtype)
    out_size, size_ = grad.shape[-2:], tuple(size[-2:])
    g = plain(grad).reshape(-1, *out_size)
    out = np.empty((len(g), *size_), grad.dtype)
    run(spread_planes, g, out, size_, out_size, kernel_size, stride, padding, count_include_pad, divisor_override)
    return out.reshape(size)
