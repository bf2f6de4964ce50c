"""softmax, log_softmax and their backward passes, and logsumexp: one row at a time, while it is in the L1 cache.

    softmax(x)      y = exp(x - max x) / sum exp(x - max x)          grad_x = y * (g - sum g * y)
    log_softmax(x)  y = x - max x - log sum exp(x - max x)           grad_x = g - exp(y) * sum g
    logsumexp(x)    y = max x + log sum exp(x - max x)

The maximum is subtracted so that no exp overflows. Sums are taken in chunks, and the chunks are added
in float64: a row of a million float32 loses nothing.
Rows shorter than SHORT would leave most of a vector empty: of those, the exponentials of a whole table are one loop.
A NaN anywhere in a row, or a row of -inf alone, gives NaN throughout, as the formulas do.
"""

import math

import numpy as np

from ..core.op import REGISTRY
from ..shapes import reduced_shape
from . import threads
from .elementary import add, exp, larger
from .jit import inner, njit, plain, take_many
from .registry import accelerates
from .strips import WIDE, strips_backward, strips_softmax

__all__ = ["log_softmax", "log_softmax_backward", "logsumexp_dims", "softmax", "softmax_backward"]

CHUNK = 1024  # elements summed in their own precision, in dozens of partial sums
TASK = 16384  # elements of a task, about: what fits into the caches
SHORT = 32


@inner
def short_exponentials(x, greatest, powers):
    """greatest = the maximum of each row, powers = exp(x - greatest), for (count, width)."""
    for row in range(len(x)):
        a, b = x[row], powers[row]
        most = a[0]
        for i in range(1, len(a)):
            most = larger(a[i], most)
        for i in range(len(a)):
            b[i] = a[i] - most
        greatest[row] = most
    flat = powers.reshape(-1)
    for i in range(len(flat)):
        flat[i] = exp(flat[i])


@inner
def short_sum(powers):
    total = 0.0
    for i in range(len(powers)):
        total = add(total, np.float64(powers[i]))
    return total


@inner
def short_softmax(x, y, logarithm):
    """`softmax_of` for short rows."""
    greatest = np.empty(len(x), x.dtype)
    powers = np.empty_like(y) if logarithm else y
    short_exponentials(x, greatest, powers)
    for row in range(len(x)):
        a, b, c = x[row], powers[row], y[row]
        total = short_sum(b)
        if logarithm:
            shift = x.dtype.type(math.log(total))
            for i in range(len(a)):
                c[i] = (a[i] - greatest[row]) - shift
        else:
            factor = x.dtype.type(1 / total)
            for i in range(len(a)):
                c[i] = b[i] * factor


@inner
def softmax_of(x, y, logarithm):
    """y = softmax(x), or its logarithm, for (count, width)."""
    width = x.shape[1]
    if width < SHORT:
        short_softmax(x, y, logarithm)
        return
    kind, zero = x.dtype.type, x.dtype.type(0)
    for row in range(len(x)):
        a, b = x[row], y[row]
        greatest = a[0]
        for i in range(width):
            greatest = larger(a[i], greatest)
        total = 0.0
        for j in range(0, width, CHUNK):
            c, d = a[j : j + CHUNK], b[j : j + CHUNK]
            part = zero
            for i in range(len(c)):
                d[i] = exp(c[i] - greatest)
                part = add(part, d[i])
            total += part
        if logarithm:
            shift = kind(math.log(total))
            for i in range(width):
                b[i] = (a[i] - greatest) - shift
        else:
            factor = kind(1 / total)
            for i in range(width):
                b[i] *= factor


@njit
def rows_softmax(counter, x, y, rows, logarithm):
    """One thread. x, y: (count, width); `rows` of them are a task."""
    first = take_many(counter, len(x), rows)
    while first < len(x):
        softmax_of(x[first : first + rows], y[first : first + rows], logarithm)
        first = take_many(counter, len(x), rows)


@inner
def backward_of(grad, y, out, logarithm):
    """The gradient of the input from the output y, for (count, width)."""
    width = y.shape[1]
    kind, zero = y.dtype.type, y.dtype.type(0)
    for row in range(len(y)):
        g, a, b = grad[row], y[row], out[row]
        total = 0.0
        for j in range(0, width, CHUNK):
            c, d = g[j : j + CHUNK], a[j : j + CHUNK]
            part = zero
            if logarithm:
                for i in range(len(c)):
                    part = add(part, c[i])
            else:
                for i in range(len(c)):
                    part = add(part, c[i] * d[i])
            total += part
        mean = kind(total)
        if logarithm:
            for i in range(width):
                b[i] = g[i] - exp(a[i]) * mean
        else:
            for i in range(width):
                b[i] = a[i] * (g[i] - mean)


@njit
def rows_backward(counter, grad, y, out, rows, logarithm):
    """One thread. grad, y, out: (count, width); `rows` of them are a task."""
    first = take_many(counter, len(y), rows)
    while first < len(y):
        last = first + rows
        backward_of(grad[first:last], y[first:last], out[first:last], logarithm)
        first = take_many(counter, len(y), rows)


@njit
def few_rows(x, y, logarithm):
    """rows_softmax for what one thread does at once."""
    softmax_of(x, y, logarithm)


@njit
def few_rows_backward(grad, y, out, logarithm):
    """rows_backward for what one thread does at once."""
    backward_of(grad, y, out, logarithm)


@njit
def rows_logsumexp(counter, x, out, rows):
    """One thread. x: (count, width), out: (count); `rows` of them are a task."""
    count, width = x.shape
    kind, zero = x.dtype.type, x.dtype.type(0)
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            a = x[row]
            greatest = a[0]
            for i in range(width):
                greatest = larger(a[i], greatest)
            greatest = greatest if abs(greatest) < np.inf else zero
            total = 0.0
            for j in range(0, width, CHUNK):
                c = a[j : j + CHUNK]
                part = zero
                for i in range(len(c)):
                    part = add(part, exp(c[i] - greatest))
                total += part
            out[row] = kind(np.log(total) + greatest)
        first = take_many(counter, count, rows)


def along_last(array, dim):
    """The array with axis `dim` moved to the end, in C order."""
    if dim != -1 and dim != array.ndim - 1:
        array = array.swapaxes(dim, -1)
    return plain(array)


def run(kernel, across, arrays, dim, logarithm):
    """kernel: for rows that are contiguous; across: for those along another axis."""
    first = arrays[0]
    if first.ndim == 0:  # one element is a row of its own
        return run(kernel, across, [a.reshape(1) for a in arrays], 0, logarithm).reshape(())
    count, beside = first.shape[dim], math.prod(first.shape[dim % first.ndim + 1 :])
    if beside >= WIDE and first.size:
        out = np.empty(first.shape, first.dtype)
        flat = [plain(a).reshape(-1) for a in (*arrays, out)]
        width = min(beside, max(WIDE, TASK // count // WIDE * WIDE))
        sizes = first.size // (count * beside), count, beside
        threads.run(across, threads.threads_for(40 * out.size), *flat, sizes, width, logarithm)
        return out
    arrays = [along_last(a, dim) for a in arrays]
    out = np.empty_like(arrays[0])
    if out.size:
        width = out.shape[-1]
        tables = [a.reshape(-1, width) for a in (*arrays, out)]
        threads.run(kernel, threads.threads_for(40 * out.size), *tables, max(1, TASK // width), logarithm)
    return out if dim in (-1, out.ndim - 1) else np.ascontiguousarray(out.swapaxes(dim, -1))


# A short table, row by row, is the usual small case, in which every step of `run` would be felt.


def forward(input, dim, logarithm):
    if dim == 1 and input.ndim == 2 and 0 < input.size <= TASK and input.flags.carray:
        out = np.empty_like(input)
        few_rows(input, out, logarithm)
        return out
    return run(rows_softmax, strips_softmax, (input,), dim, logarithm)


def backward(grad, output, dim, logarithm):
    if dim == 1 and grad.ndim == 2 and 0 < grad.size <= TASK and grad.flags.carray and output.flags.carray:
        out = np.empty_like(grad)
        few_rows_backward(grad, output, out, logarithm)
        return out
    return run(rows_backward, strips_backward, (grad, output), dim, logarithm)


@accelerates("softmax")
def softmax(input, *, dim):
    """exp(input) / sum(exp(input)) along dim."""
    return forward(input, dim, False)


@accelerates("log_softmax")
def log_softmax(input, *, dim):
    """log(softmax(input)) along dim."""
    return forward(input, dim, True)


@accelerates("softmax_backward")
def softmax_backward(grad, output, *, dim):
    """The gradient of softmax's input, from its output."""
    return backward(grad, output, dim, False)


@accelerates("log_softmax_backward")
def log_softmax_backward(grad, output, *, dim):
    """The gradient of log_softmax's input, from its output."""
    return backward(grad, output, dim, True)


@accelerates("logsumexp_dims")
def logsumexp_dims(input, *, dim, keepdim):
    """ln sum exp(input) over the dimensions `dim`."""
    if not dim or not input.size:
        return REGISTRY["logsumexp_dims"].reference(input, dim=dim, keepdim=keepdim)
    kept = [d for d in range(input.ndim) if d not in dim]
    out = np.empty([input.shape[d] for d in kept], input.dtype)
    rows = plain(input.transpose(*kept, *sorted(dim))).reshape(out.size, -1)
    many = max(1, TASK // rows.shape[1])
    threads.run(rows_logsumexp, threads.threads_for(35 * input.size), rows, out.reshape(-1), many)
    return out.reshape(reduced_shape(input.shape, dim, keepdim))
