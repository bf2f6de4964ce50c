"""Batch, instance, group, layer and RMS norm, forward and backward.

All are one computation. The memory of a contiguous input is a table x[a, g, s, l]; a group g has statistics over a, s
and l, and every strip (g, s) of it has one weight and one bias:

                    A  G      S      L     weights repeat after P groups
    batch_norm      N  C      1      H*W   C
    instance_norm   1  N*C    1      H*W   C
    group_norm      1  N*G    C/G    H*W   G
    layer_norm      1  rows   D      1     1
    rms_norm        the same, with the mean taken for 0

`strips` runs along l, `rows` (A = L = 1, P = 1) along s, `columns` (S = L = 1) along g: each time along what is
contiguous, so that a vector register holds neighbours.

Memory is what this costs: the forward pass should read x once and write z once. So mean and variance are found together,
a piece of about a thousand elements at a time: the mean of the piece, then, while it is in the L1 cache, the squares of
the deviations from it. The pieces are merged in float64 (T. Chan, G. Golub, R. LeVeque: Updating formulae and a pairwise
algorithm for computing sample variances, 1979):

    d = mean_b - mean_a       mean = mean_a + d n_b / n       M2 = M2_a + M2_b + d^2 n_a n_b / n

A group that fits into the L2 cache is read a second time from there, to be normalised. The backward pass reads gradient and
input, sums up g and g (x - mean), and reads both again to write gx: with h = g weight and means over the group,

    gx = (h - mean(h) - xhat mean(h xhat)) / std      gweight = sum g xhat      gbias = sum g
"""

import math
from math import prod

import numpy as np

from . import threads
from .elementary import add
from .jit import following, inner, njit, plain, take, take_many
from .registry import accelerates

__all__ = ["norm_backward", "normalized", "rms_norm", "rms_norm_backward"]

CHUNK = 1024  # elements of a piece, summed in their own precision, in dozens of partial sums
TOGETHER = (
    1024  # elements side by side that a task of `strips` has at least, since threads wait for each other's cache lines
)
ROWS = 64  # rows of a task in `rows`
COLUMNS = 256  # columns of a task in `columns`
BLOCK = 16  # rows whose sum is taken in their own precision there
FUSED = {"contract"}  # a * b + c may be rounded once


@inner
def sum_of(x):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total = add(total, x[i])
    return total


@inner(fastmath=FUSED)
def deviations(x, middle):
    """The sums of x - middle and of its square."""
    first = second = x.dtype.type(0)
    for i in range(len(x)):
        d = x[i] - middle
        first = add(first, d)
        second = add(second, d * d)
    return first, second


@inner(fastmath=FUSED)
def products(g, x, middle):
    """The sums of g and of g (x - middle)."""
    first = second = x.dtype.type(0)
    for i in range(len(x)):
        first = add(first, g[i])
        second = add(second, g[i] * (x[i] - middle))
    return first, second


@inner(fastmath=FUSED)
def weighted_products(g, x, weight, middle):
    """The sums of h = g weight and of h (x - middle)."""
    first = second = x.dtype.type(0)
    for i in range(len(x)):
        h = g[i] * weight[i]
        first = add(first, h)
        second = add(second, h * (x[i] - middle))
    return first, second


@inner
def merge(n, mean, m2, count, middle, first, second):
    """(n, mean, m2) joined with a piece of `count` elements whose deviations from `middle` sum to first and second."""
    drift = first / count
    if n == 0:
        return float(count), middle + drift, second - first * drift
    d = middle + drift - mean
    total = n + count
    m2 += second - first * drift + d * d * n * count / total
    return total, mean + d * count / total, m2


@njit(fastmath=FUSED)
def strips(counter, x, z, mean, var, weight, bias, eps, sizes):
    """One thread. x, z: flat (A, G, S, L) = sizes; mean, var: (G); weight, bias: (P * S)."""
    outer, groups, inside, length = sizes
    kind = x.dtype.type
    many = max(1, CHUNK // length)  # short strips are taken together
    together = max(1, TOGETHER // (inside * length))
    g = take_many(counter, groups, together)
    while g < groups:
        n = m = m2 = 0.0
        for q in range(0, outer * inside, many):
            last = min(q + many, outer * inside)
            for j in range(0, length, CHUNK):
                width = min(CHUNK, length - j)
                total = kind(0)
                for p in range(q, last):
                    start = ((p // inside * groups + g) * inside + p % inside) * length + j
                    total += sum_of(x[start : start + width])
                middle = kind(total / (width * (last - q)))
                first = second = 0.0
                for p in range(q, last):
                    start = ((p // inside * groups + g) * inside + p % inside) * length + j
                    one, two = deviations(x[start : start + width], middle)
                    first += one
                    second += two
                n, m, m2 = merge(n, m, m2, width * (last - q), middle, first, second)
        mean[g], var[g] = m, m2 / n
        middle, scale = kind(m), 1 / math.sqrt(m2 / n + eps)
        at = g * inside % len(weight)
        for a in range(outer):
            for s in range(inside):
                slope, offset = kind(scale * weight[at + s]), bias[at + s]
                start = ((a * groups + g) * inside + s) * length
                source, target = x[start : start + length], z[start : start + length]
                for i in range(length):
                    target[i] = (source[i] - middle) * slope + offset
        g = following(counter, g, groups, together)


@njit(fastmath=FUSED)
def strips_backward(counter, grad, x, gx, grad_mean, grad_var, mean, var, weight, sums, eps, sizes):
    """One thread. grad, x, gx: flat (A, G, S, L) = sizes; sums: flat (2, G, S), of g xhat and of g, in float64."""
    outer, groups, inside, length = sizes
    kind = x.dtype.type
    n = outer * inside * length
    together = max(1, TOGETHER // (inside * length))
    g = take_many(counter, groups, together)
    while g < groups:
        middle, std = mean[g], math.sqrt(var[g] + eps)
        at = g * inside % len(weight)
        shift = slope = 0.0  # the sums of h and of h xhat
        for s in range(inside):
            first = second = 0.0
            for a in range(outer):
                start = ((a * groups + g) * inside + s) * length
                for j in range(start, start + length, CHUNK):
                    stop = min(j + CHUNK, start + length)
                    one, two = products(grad[j:stop], x[j:stop], middle)
                    first += one
                    second += two
            sums[g * inside + s], sums[(groups + g) * inside + s] = second / std, first
            shift += weight[at + s] * first
            slope += weight[at + s] * (second / std)
        shift = (shift - grad_mean[g] * std) / n
        slope = (slope - 2 * grad_var[g] * std * std) / n
        for_x, constant = kind(slope / (std * std)), kind(shift / std)
        for a in range(outer):
            for s in range(inside):
                for_g = kind(weight[at + s] / std)
                start = ((a * groups + g) * inside + s) * length
                b, c, d = grad[start : start + length], x[start : start + length], gx[start : start + length]
                for i in range(length):
                    d[i] = b[i] * for_g - (c[i] - middle) * for_x - constant
        g = following(counter, g, groups, together)


@njit(fastmath=FUSED)
def rows(counter, x, z, mean, var, weight, bias, eps, centred):
    """One thread. x, z: flat (count, D); mean, var: (count); weight, bias: (D). centred: False for RMS norm."""
    count, width = len(mean), len(weight)
    kind, share = x.dtype.type, 1 / width
    tasks = -(-count // ROWS)
    task = take(counter, tasks)
    while task < tasks:
        for r in range(task * ROWS, min(count, task * ROWS + ROWS)):
            a, b = x[r * width : (r + 1) * width], z[r * width : (r + 1) * width]
            n = m = m2 = 0.0
            for j in range(0, width, CHUNK):
                c = a[j : j + CHUNK]
                middle = kind(sum_of(c) * (share if len(c) == width else 1 / len(c))) if centred else kind(0)
                first, second = deviations(c, middle)
                if not centred:
                    m2 += second
                elif len(c) == width:  # all in one piece, as most rows are: no division
                    m, m2 = middle + first * share, second - first * (first * share)
                else:
                    n, m, m2 = merge(n, m, m2, len(c), middle, first, second)
            square = m2 * share
            mean[r], var[r] = m, square
            middle, scale = kind(m), kind(1 / math.sqrt(square + eps))
            for i in range(width):
                b[i] = (a[i] - middle) * scale * weight[i] + bias[i]
        task = take(counter, tasks)


@njit(fastmath=FUSED)
def rows_backward(counter, grad, x, gx, grad_mean, grad_var, mean, var, weight, sums, eps, centred):
    """One thread. grad, x, gx: flat (count, D); sums: flat (2, tasks, D), zeros: of g xhat and of g over each task."""
    count, width = len(mean), len(weight)
    kind, share = x.dtype.type, 1 / width
    tasks = -(-count // ROWS)
    task = take(counter, tasks)
    while task < tasks:
        for_weight = sums[task * width : (task + 1) * width]
        for_bias = sums[len(sums) // 2 :][task * width : (task + 1) * width]
        for r in range(task * ROWS, min(count, task * ROWS + ROWS)):
            here = slice(r * width, (r + 1) * width)
            b, c, d = grad[here], x[here], gx[here]
            middle, std = mean[r], math.sqrt(var[r] + eps)
            per_std = 1 / std
            shift = slope = 0.0
            for j in range(0, width, CHUNK):
                first, second = weighted_products(b[j : j + CHUNK], c[j : j + CHUNK], weight[j : j + CHUNK], middle)
                shift += first
                slope += second
            shift = (shift - grad_mean[r] * std) * share if centred else 0.0
            slope = (slope * per_std - 2 * grad_var[r] * std * std) * share
            scale, for_x, constant = kind(per_std), kind(slope * per_std * per_std), kind(shift * per_std)
            for i in range(width):
                away = c[i] - middle
                d[i] = b[i] * weight[i] * scale - away * for_x - constant
                for_weight[i] += b[i] * (away * scale)
                for_bias[i] += b[i]
        task = take(counter, tasks)


@inner
def row(x, r, width, first, count):
    """`count` elements of row r of a flat (N, width), from `first` on."""
    return x[r * width + first : r * width + first + count]


@njit(fastmath=FUSED)
def columns(counter, x, z, mean, var, weight, bias, eps):
    """One thread. x, z: flat (count, C); the rest (C). Sums of BLOCK rows, and from those the sums in float64."""
    width = len(mean)
    count = len(x) // width
    kind = x.dtype.type
    total, squares, part = np.empty(COLUMNS), np.empty(COLUMNS), np.empty(COLUMNS, x.dtype)
    slope, offset, middle = np.empty(COLUMNS, x.dtype), np.empty(COLUMNS, x.dtype), np.empty(COLUMNS, x.dtype)
    fours = count - count % 4  # four rows at once: a quarter of the loads and stores of the sums
    first = take_many(counter, width, COLUMNS)
    while first < width:
        w = min(COLUMNS, width - first)
        total[:] = 0
        squares[:] = 0
        for block in range(0, fours, BLOCK):
            part[:w] = 0
            for r in range(block, min(fours, block + BLOCK), 4):
                a, b, c, d = (
                    row(x, r, width, first, w),
                    row(x, r + 1, width, first, w),
                    row(x, r + 2, width, first, w),
                    row(x, r + 3, width, first, w),
                )
                for i in range(w):
                    part[i] += (a[i] + b[i]) + (c[i] + d[i])
            for i in range(w):
                total[i] += part[i]
        for r in range(fours, count):
            a = row(x, r, width, first, w)
            for i in range(w):
                total[i] += a[i]
        for i in range(w):
            total[i] /= count
            middle[i] = total[i]
        for block in range(0, fours, BLOCK):
            part[:w] = 0
            for r in range(block, min(fours, block + BLOCK), 4):
                a, b, c, d = (
                    row(x, r, width, first, w),
                    row(x, r + 1, width, first, w),
                    row(x, r + 2, width, first, w),
                    row(x, r + 3, width, first, w),
                )
                for i in range(w):
                    p, q, s, t = a[i] - middle[i], b[i] - middle[i], c[i] - middle[i], d[i] - middle[i]
                    part[i] += (p * p + q * q) + (s * s + t * t)
            for i in range(w):
                squares[i] += part[i]
        for r in range(fours, count):
            a = row(x, r, width, first, w)
            for i in range(w):
                p = a[i] - middle[i]
                squares[i] += p * p
        for i in range(w):
            c, rounding = first + i, total[i] - middle[i]
            square = max(squares[i] / count - rounding * rounding, 0.0)
            mean[c], var[c], offset[i] = total[i], square, bias[c]
            slope[i] = kind(weight[c] / math.sqrt(square + eps))
        for start in range(first, len(x), width):
            a, b = x[start : start + w], z[start : start + w]
            for i in range(w):
                b[i] = (a[i] - middle[i]) * slope[i] + offset[i]
        first = take_many(counter, width, COLUMNS)


@njit(fastmath=FUSED)
def columns_backward(counter, grad, x, gx, grad_mean, grad_var, mean, var, weight, sums, eps):
    """One thread. grad, x, gx: flat (count, C); sums: flat (2, C), of g xhat and of g."""
    width = len(mean)
    count = len(x) // width
    kind = x.dtype.type
    one, two, part, product = (
        np.empty(COLUMNS),
        np.empty(COLUMNS),
        np.empty(COLUMNS, x.dtype),
        np.empty(COLUMNS, x.dtype),
    )
    for_g, for_x, constant = np.empty(COLUMNS, x.dtype), np.empty(COLUMNS, x.dtype), np.empty(COLUMNS, x.dtype)
    pairs = count - count % 2  # two rows at once
    first = take_many(counter, width, COLUMNS)
    while first < width:
        w = min(COLUMNS, width - first)
        middle = mean[first : first + w]
        one[:] = 0
        two[:] = 0
        for block in range(0, pairs, BLOCK):
            part[:w] = 0
            product[:w] = 0
            for r in range(block, min(pairs, block + BLOCK), 2):
                b, d = row(grad, r, width, first, w), row(grad, r + 1, width, first, w)
                c, e = row(x, r, width, first, w), row(x, r + 1, width, first, w)
                for i in range(w):
                    part[i] += b[i] + d[i]
                    product[i] += b[i] * (c[i] - middle[i]) + d[i] * (e[i] - middle[i])
            for i in range(w):
                one[i] += part[i]
                two[i] += product[i]
        for r in range(pairs, count):
            b, c = row(grad, r, width, first, w), row(x, r, width, first, w)
            for i in range(w):
                one[i] += b[i]
                two[i] += b[i] * (c[i] - middle[i])
        for i in range(w):
            c = first + i
            std = math.sqrt(var[c] + eps)
            sums[c], sums[width + c] = two[i] / std, one[i]
            shift = (weight[c] * one[i] - grad_mean[c] * std) / count
            slope = (weight[c] * two[i] / std - 2 * grad_var[c] * std * std) / count
            for_g[i], for_x[i], constant[i] = kind(weight[c] / std), kind(slope / (std * std)), kind(shift / std)
        for start in range(first, len(x), width):
            b, c, d = grad[start : start + w], x[start : start + w], gx[start : start + w]
            for i in range(w):
                d[i] = b[i] * for_g[i] - (c[i] - middle[i]) * for_x[i] - constant[i]
        first = take_many(counter, width, COLUMNS)


def geometry(shape, dims, weight):
    """(A, G, S, L) of an input whose statistics run over `dims`, and whose weight is one of the table above."""
    if dims[0] == 0 and len(dims) < len(shape) and len(shape) > 1:
        return shape[0], shape[1], 1, prod(shape[2:])
    first = dims[0]
    inside = 1 if weight is None else weight.size // prod(weight.shape[: weight.ndim - len(dims)])
    return 1, prod(shape[:first]), inside, prod(shape[first:]) // inside


def flat(array, size, otherwise, dtype):
    return np.full(size, otherwise, dtype) if array is None else plain(array).reshape(-1)


def repeated(vector, count):
    return vector if len(vector) == count else np.broadcast_to(vector, count).copy()


def normalized(input, weight=None, bias=None, *, dims, eps):
    """z = (x - mean) / sqrt(var + eps) * weight + bias, and the mean and variance over `dims` (kept with size 1)."""
    shape, dtype = input.shape, input.dtype
    outer, groups, inside, length = sizes = geometry(shape, dims, weight)
    x, z = plain(input), np.empty(shape, dtype)
    mean, var = np.empty(groups, dtype), np.empty(groups, dtype)
    count = threads.threads_for(18 * x.size)
    if outer == length == 1 and (weight is None or weight.size == inside):
        width = x.size // groups
        w, b = flat(weight, width, 1, dtype), flat(bias, width, 0, dtype)
        threads.run(rows, count, x.reshape(-1), z.reshape(-1), mean, var, w, b, eps, True)
    else:
        w, b = flat(weight, inside, 1, dtype), flat(bias, inside if weight is None else weight.size, 0, dtype)
        if inside == length == 1:
            w, b = repeated(w, groups), repeated(b, groups)
            threads.run(columns, count, x.reshape(-1), z.reshape(-1), mean, var, w, b, eps)
        else:
            threads.run(strips, count, x.reshape(-1), z.reshape(-1), mean, var, w, b, eps, sizes)
    kept = tuple([1 if d in dims else n for d, n in enumerate(shape)])
    return z, mean.reshape(kept), var.reshape(kept)


for name in ("batch_norm_train", "instance_norm", "layer_norm", "group_norm"):
    accelerates(name)(normalized)


@accelerates("norm_backward")
def norm_backward(grad, grad_mean, grad_var, input, mean, var, weight=None, *, dims, eps):
    """The gradients of input and, if there is one, of weight and bias."""
    shape, dtype = input.shape, input.dtype
    outer, groups, inside, length = sizes = geometry(shape, dims, weight)
    g, x, gx = plain(grad), plain(input), np.empty(shape, dtype)
    statistics = [plain(a).reshape(-1) for a in (grad_mean, grad_var, mean, var)]
    tables = [a.reshape(-1) for a in (g, x, gx)]
    count = threads.threads_for(25 * x.size)
    if outer == length == 1 and (weight is None or weight.size == inside):
        w = flat(weight, x.size // groups, 1, dtype)
        sums = np.zeros((2, -(-groups // ROWS), w.size), dtype)
        threads.run(rows_backward, count, *tables, *statistics, w, sums.reshape(-1), eps, True)
        sums = np.add.reduce(sums, 1, np.float64)
    else:
        w = flat(weight, inside, 1, dtype)
        if inside == length == 1:
            sums = np.empty((2, groups))
            w = repeated(w, groups)
            threads.run(columns_backward, count, *tables, *statistics, w, sums.reshape(-1), eps)
        else:
            sums = np.empty(2 * groups * inside)
            threads.run(strips_backward, count, *tables, *statistics, w, sums, eps, sizes)
            sums = np.add.reduce(sums.reshape(2, -1, w.size), 1)
    if weight is None:
        return (gx,)
    return gx, sums[0].astype(dtype).reshape(weight.shape), sums[1].astype(dtype).reshape(weight.shape)


@accelerates("root_mean_square_norm")
def rms_norm(input, weight=None, *, dims, eps):
    """z = x / sqrt(mean(x^2) + eps) * weight, the mean over the last dimensions."""
    width = prod(input.shape[dims[0] :])
    x, z = plain(input), np.empty(input.shape, input.dtype)
    unused = np.empty((2, x.size // width), x.dtype)
    w, zero = flat(weight, width, 1, x.dtype), np.zeros(width, x.dtype)
    count = threads.threads_for(18 * x.size)
    threads.run(rows, count, x.reshape(-1), z.reshape(-1), *unused, w, zero, eps, False)
    return z


@accelerates("rms_norm_backward")
def rms_norm_backward(grad, input, weight=None, *, dims, eps):
    """The gradients of input and, if there is one, of weight."""
    width = prod(input.shape[dims[0] :])
    g, x, gx = [a.reshape(-1) for a in (plain(grad), plain(input), np.empty(input.shape, input.dtype))]
    count = x.size // width
    w, zero = flat(weight, width, 1, x.dtype), np.zeros(count, x.dtype)
    squares = np.einsum("ri,ri->r", x.reshape(count, width), x.reshape(count, width), dtype=np.float64) / width
    sums = np.zeros((2, -(-count // ROWS), width), x.dtype)
    statistics = (zero, zero, zero, squares.astype(x.dtype))
    threads.run(rows_backward, threads.threads_for(25 * x.size), g, x, gx, *statistics, w, sums.reshape(-1), eps, False)
    gx = gx.reshape(input.shape)
    if weight is None:
        return (gx,)
    return gx, np.add.reduce(sums[0], 0, np.float64).astype(x.dtype).reshape(weight.shape)
