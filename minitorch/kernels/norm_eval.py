"""Batch norm with given statistics, and the gradients of its weight and bias. The input is (N, C, L), the rest (C):

    z = (x - mean) weight / std + bias            gweight = sum g (x - mean) / std        gbias = sum g

The gradient of the input, g weight / std, is z of other numbers, and needs no kernel of its own.

All take as long as memory does, so all read it as it lies: a task of the sums is some samples of some neighbouring
channels. `strips` adds up each channel of each sample in vector registers. Where a channel has few elements, as behind the
last layers of a network, `columns` adds up the samples, element by element, and the elements of a channel in the end.
"""

import math
from math import prod

import numpy as np

from . import threads
from .jit import njit, plain, take
from .norm import BLOCK, CHUNK, FUSED, flat, products, row
from .registry import accelerates

__all__ = ["batch_norm_eval", "batch_norm_eval_weight"]

SHORT = 32  # elements of a channel from which on they are added up by themselves
WIDE = 4096  # elements of neighbouring channels that `strips` reads as one
NARROW = 1024  # ... and `columns`, so that their sums stay in the L1 cache
TASK = 65536  # elements of a task


@njit(fastmath=FUSED)
def scale_strips(counter, x, z, mean, scale, bias, length):
    """One thread. z = (x - mean) * scale + bias; x, z: flat (N, C, length), the rest (C)."""
    channels = len(mean)
    outer = len(x) // (channels * length)
    a = take(counter, outer)
    while a < outer:
        first = a * channels * length
        if length == 1:  # the channels lie side by side
            source, target = x[first : first + channels], z[first : first + channels]
            for c in range(channels):
                target[c] = (source[c] - mean[c]) * scale[c] + bias[c]
        else:
            for c in range(channels):
                start = first + c * length
                middle, slope, offset = mean[c], scale[c], bias[c]
                source, target = x[start : start + length], z[start : start + length]
                for i in range(length):
                    target[i] = (source[i] - middle) * slope + offset
        a = take(counter, outer)


@njit(fastmath=FUSED)
def strips(counter, grad, x, mean, sums, sizes, many, part):
    """One thread. grad, x: flat (N, C, L) = sizes; sums: (parts, 2, C), of g (x - mean) and of g over `part` samples."""
    samples, channels, length = sizes
    groups = math.ceil(channels / many)
    one, two = np.empty(many), np.empty(many)
    tasks = len(sums) * groups
    task = take(counter, tasks)
    while task < tasks:
        p, first = task // groups, task % groups * many
        w = min(many, channels - first)
        one[:] = 0
        two[:] = 0
        for n in range(p * part, min(p * part + part, samples)):
            for c in range(w):
                start = (n * channels + first + c) * length
                for j in range(start, start + length, CHUNK):
                    stop = min(j + CHUNK, start + length)
                    total, product = products(grad[j:stop], x[j:stop], mean[first + c])
                    one[c] += product
                    two[c] += total
        sums[p, 0, first : first + w] = one[:w]
        sums[p, 1, first : first + w] = two[:w]
        task = take(counter, tasks)


@njit(fastmath=FUSED)
def columns(counter, grad, x, mean, sums, sizes, many, part):
    """One thread, as in `strips`: the sums of BLOCK samples in their own precision, and of those in float64."""
    samples, channels, length = sizes
    groups, width, size = math.ceil(channels / many), channels * length, many * length
    one, two = np.empty(size), np.empty(size)
    product, total, middle = np.empty(size, x.dtype), np.empty(size, x.dtype), np.empty(size, x.dtype)
    tasks = len(sums) * groups
    task = take(counter, tasks)
    while task < tasks:
        p, first = task // groups, task % groups * many
        start, w = first * length, min(many, channels - first) * length
        for i in range(w):
            middle[i] = mean[first + i // length]
        one[:] = 0
        two[:] = 0
        last = min(p * part + part, samples)
        for block in range(p * part, last, BLOCK):
            product[:w] = 0
            total[:w] = 0
            stop = min(block + BLOCK, last)
            fours = stop - (stop - block) % 4  # four samples at once: a quarter of the loads and stores of the sums
            for n in range(block, fours, 4):
                g, a = row(grad, n, width, start, w), row(x, n, width, start, w)
                h, b = row(grad, n + 1, width, start, w), row(x, n + 1, width, start, w)
                k, c = row(grad, n + 2, width, start, w), row(x, n + 2, width, start, w)
                m, d = row(grad, n + 3, width, start, w), row(x, n + 3, width, start, w)
                for i in range(w):
                    t = middle[i]
                    product[i] += (g[i] * (a[i] - t) + h[i] * (b[i] - t)) + (k[i] * (c[i] - t) + m[i] * (d[i] - t))
                    total[i] += (g[i] + h[i]) + (k[i] + m[i])
            for n in range(fours, stop):
                g, a = row(grad, n, width, start, w), row(x, n, width, start, w)
                for i in range(w):
                    product[i] += g[i] * (a[i] - middle[i])
                    total[i] += g[i]
            for i in range(w):
                one[i] += product[i]
                two[i] += total[i]
        for c in range(w // length):
            here = slice(c * length, c * length + length)
            sums[p, 0, first + c], sums[p, 1, first + c] = one[here].sum(), two[here].sum()
        task = take(counter, tasks)


@accelerates("batch_norm_eval")
def batch_norm_eval(input, mean, var, weight=None, bias=None, *, eps):
    """z = (x - mean) / sqrt(var + eps) * weight + bias; input (N, C, ...), the others (C, 1, ...)."""
    scale = 1 / np.sqrt(var + np.array(eps, var.dtype))
    if weight is not None:
        scale = scale * weight
    x, z = plain(input), np.empty(input.shape, input.dtype)
    vectors = [flat(a, x.shape[1], 0, x.dtype) for a in (mean, scale, bias)]
    count = threads.threads_for(12 * x.size)
    threads.run(scale_strips, count, x.reshape(-1), z.reshape(-1), *vectors, prod(x.shape[2:]))
    return z


@accelerates("batch_norm_eval_weight")
def batch_norm_eval_weight(grad, input, mean, var, *, eps):
    """The sums of g (x - mean) / sqrt(var + eps) and of g over all but the channels; mean, var: (C, 1, ...)."""
    samples, channels, length = sizes = (*input.shape[:2], prod(input.shape[2:]))
    kernel, width = (columns, NARROW) if length < SHORT else (strips, WIDE)
    many = min(channels, max(1, width // length))
    part = max(1, TASK // (many * length))
    sums = np.empty((math.ceil(samples / part), 2, channels))
    tables = [plain(a).reshape(-1) for a in (grad, input, mean)]
    threads.run(kernel, threads.threads_for(12 * input.size), *tables, sums, sizes, many, part)
    for_weight, for_bias = np.add.reduce(sums, 0).reshape(2, *mean.shape)
    return (for_weight / np.sqrt(var + eps)).astype(input.dtype), for_bias.astype(input.dtype)
