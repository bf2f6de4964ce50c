"""softmax and log_softmax along another axis than the last, such as the classes of a segmented image, (N, classes, H, W).

A row is one number here and one there, x[a, :, b]; what lies side by side are the rows. So a strip of neighbouring rows, as
wide as keeps it in the L2 cache, goes through the steps of softmax.py together, in vectors along b. The terms of a sum are
added in blocks, and the blocks in float64. One exponential an element, as for rows, and the same traffic.
"""

import math

import numpy as np

from .elementary import exp, larger
from .jit import njit, take

__all__ = ["WIDE", "strips_backward", "strips_softmax"]

WIDE = 16  # rows that must lie side by side for vectors to pay
BLOCK = 32  # terms summed in their own precision


@njit
def strips_softmax(counter, x, y, sizes, width, logarithm):
    """One thread. x, y: flat (A, R, B) = sizes; `width` of the B are a task."""
    outer, count, across = sizes
    kind = x.dtype.type
    strips = -(-across // width)
    greatest, part, total = np.empty(width, x.dtype), np.empty(width, x.dtype), np.empty(width)
    tasks = outer * strips
    task = take(counter, tasks)
    while task < tasks:
        w = min(width, across - task % strips * width)
        start = task // strips * count * across + task % strips * width
        greatest[:w] = -np.inf
        total[:w] = 0
        for r in range(count):
            a = x[start + r * across : start + r * across + w]
            for i in range(w):
                greatest[i] = larger(a[i], greatest[i])
        for block in range(0, count, BLOCK):
            part[:w] = 0
            for r in range(block, min(count, block + BLOCK)):
                here = slice(start + r * across, start + r * across + w)
                a, b = x[here], y[here]
                for i in range(w):
                    power = exp(a[i] - greatest[i])
                    part[i] += power
                    b[i] = power
            for i in range(w):
                total[i] += part[i]
        for i in range(w):
            part[i] = kind(math.log(total[i])) if logarithm else kind(1 / total[i])
        for r in range(count):
            here = slice(start + r * across, start + r * across + w)
            a, b = x[here], y[here]
            if logarithm:
                for i in range(w):
                    b[i] = (a[i] - greatest[i]) - part[i]
            else:
                for i in range(w):
                    b[i] *= part[i]
        task = take(counter, tasks)


@njit
def strips_backward(counter, grad, y, out, sizes, width, logarithm):
    """One thread. grad, y, out: flat (A, R, B) = sizes; `width` of the B are a task."""
    outer, count, across = sizes
    kind = y.dtype.type
    strips = -(-across // width)
    part, total = np.empty(width, y.dtype), np.empty(width)
    tasks = outer * strips
    task = take(counter, tasks)
    while task < tasks:
        w = min(width, across - task % strips * width)
        start = task // strips * count * across + task % strips * width
        total[:w] = 0
        for block in range(0, count, BLOCK):
            part[:w] = 0
            for r in range(block, min(count, block + BLOCK)):
                here = slice(start + r * across, start + r * across + w)
                g, a = grad[here], y[here]
                if logarithm:
                    for i in range(w):
                        part[i] += g[i]
                else:
                    for i in range(w):
                        part[i] += g[i] * a[i]
            for i in range(w):
                total[i] += part[i]
        for i in range(w):
            part[i] = kind(total[i])
        for r in range(count):
            here = slice(start + r * across, start + r * across + w)
            g, a, b = grad[here], y[here], out[here]
            if logarithm:
                for i in range(w):
                    b[i] = g[i] - exp(a[i]) * part[i]
            else:
                for i in range(w):
                    b[i] = a[i] * (g[i] - part[i])
        task = take(counter, tasks)
