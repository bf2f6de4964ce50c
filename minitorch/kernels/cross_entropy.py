"""Cross-entropy of class indices, straight from the logits: one row at a time, while it is in the L1 cache.

    loss_i = w_t (ln sum_j exp x_j - x_t)          grad x_j = s (softmax(x)_j - [j = t])        t the target of row i

with s the gradient of the loss times w_t, for a mean over the sum of all w_t. Logarithms of the probabilities would be a table
as large as the logits, written by one pass and read by three; here the forward pass reads the logits and keeps nothing, and
the backward pass computes each row's exponentials again on its way. As in softmax.py, the maximum is subtracted, and sums are
added up in float64.
"""

import math

import numpy as np

from ..core.op import REGISTRY
from . import threads
from .elementary import add, exp, larger
from .jit import inner, njit, plain, take
from .registry import accelerates
from .softmax import CHUNK, TASK

__all__ = ["cross_entropy_backward", "cross_entropy_of_classes"]


@inner
def exponentials(x, powers):
    """(max x, the sum of exp(x - max x)); the terms themselves go to `powers`, if that has any room."""
    greatest, total, keep = x[0], 0.0, len(powers) > 0
    for i in range(len(x)):
        greatest = larger(x[i], greatest)
    for j in range(0, len(x), CHUNK):
        c = x[j : j + CHUNK]
        part = x.dtype.type(0)
        if keep:
            d = powers[j : j + CHUNK]
            for i in range(len(c)):
                d[i] = exp(c[i] - greatest)
                part = add(part, d[i])
        else:
            for i in range(len(c)):
                part = add(part, exp(c[i] - greatest))
        total += part
    return greatest, total


@njit
def rows_loss(counter, x, target, weight, losses, tally, rows, ignored):
    """One thread. x: (N, C); `rows` of them are a task, whose sum of losses, sum of weights and number of targets that are no
    class go to tally (tasks, 3). weight: (C), empty for ones."""
    classes = x.shape[1]
    nothing = np.empty(0, x.dtype)
    task = take(counter)
    while task < len(tally):
        total = weights = wrong = 0.0
        for row in range(task * rows, min(len(x), (task + 1) * rows)):
            t = target[row]
            losses[row] = 0
            if t == ignored:
                continue
            if t < 0 or t >= classes:
                wrong += 1
                continue
            greatest, powers = exponentials(x[row], nothing)
            w = np.float64(weight[t]) if len(weight) else 1.0
            loss = w * (math.log(powers) - (np.float64(x[row, t]) - np.float64(greatest)))
            losses[row] = loss
            total += loss
            weights += w
        tally[task, 0], tally[task, 1], tally[task, 2] = total, weights, wrong
        task = take(counter)


@njit
def rows_gradient(counter, x, target, weight, factors, out, rows, ignored):
    """One thread. out (N, C) = the gradient; factors: that of each row's loss, or one for all."""
    first = take(counter) * rows
    while first < len(x):
        for row in range(first, min(len(x), first + rows)):
            t, y = target[row], out[row]
            if t == ignored:
                y[:] = 0
                continue
            _, total = exponentials(x[row], y)
            factor = factors[row if len(factors) > 1 else 0]
            if len(weight):
                factor *= weight[t]
            scale = x.dtype.type(factor / total)
            for j in range(len(y)):
                y[j] *= scale
            # The target's own share, p - 1, from the others', so that a probability near 1 loses no digits.
            rest = 0.0
            for j in range(len(y)):
                rest = add(rest, np.float64(y[j]))
            y[t] = -(rest - np.float64(y[t])) if len(y) > 1 else 0
        first = take(counter) * rows


def arrays(input, target, weight):
    """What the kernels take for the inputs of the operation."""
    return plain(input), plain(target), np.empty(0, input.dtype) if weight is None else plain(weight)


@accelerates("cross_entropy_of_classes")
def cross_entropy_of_classes(input, target, weight=None, *, ignore_index, reduction):
    """The loss of each row, their sum, or their mean."""
    count, classes = input.shape
    rows = max(1, TASK // classes)
    losses, tally = np.empty(count, input.dtype), np.empty((-(-count // rows), 3))
    threads.run(
        rows_loss, threads.threads_for(10 * input.size), *arrays(input, target, weight), losses, tally, rows, ignore_index
    )  # fmt: skip
    total, divisor, wrong = (tally[0] if len(tally) == 1 else np.add.reduce(tally, 0)).tolist()
    if wrong or (divisor == 0 and reduction == "mean"):  # it has the words for the first, and nan for the second
        options = dict(ignore_index=ignore_index, reduction=reduction)
        return REGISTRY["cross_entropy_of_classes"].reference(input, target, weight, **options)
    if reduction == "none":
        return losses
    return input.dtype.type(total if reduction == "sum" else total / divisor)


@accelerates("cross_entropy_backward")
def cross_entropy_backward(grad, input, target, weight=None, *, ignore_index, reduction):
    """The gradient of the logits."""
    out = np.empty(input.shape, input.dtype)
    x, target, weight = arrays(input, target, weight)
    factors = grad.reshape(-1)
    if reduction == "mean":
        if len(weight):
            divisor = weight[target[target != ignore_index]].sum(dtype=np.float64)
        else:
            divisor = len(x) - np.count_nonzero(target == ignore_index)
        if divisor:
            factors = factors / input.dtype.type(divisor)
    rows = max(1, TASK // x.shape[1])
    threads.run(
        rows_gradient, threads.threads_for(10 * x.size), x, target, weight, plain(factors), out, rows, ignore_index
    )  # fmt: skip
    return out
