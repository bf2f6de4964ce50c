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
from .jit import inner, njit, plain, take, take_many
from .registry import accelerates
from .softmax import CHUNK, SHORT, TASK, short_exponentials, short_sum

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


@inner
def losses_of(x, target, weight, losses, ignored):
    """(the sum of the losses, the sum of the weights, the number of targets that are no class) of the rows of x (N, C).

    losses: (N), what each row adds; empty where only the sum is wanted. weight: (C), empty for ones.
    """
    classes, short = x.shape[1], x.shape[1] < SHORT
    nothing, room = np.empty(0, x.dtype), len(x) if short else 0
    terms, maxima = np.empty((room, classes), x.dtype), np.empty(room, x.dtype)
    if short:
        short_exponentials(x, maxima, terms)
    total = weights = 0.0
    wrong = 0
    for row in range(len(x)):
        t = target[row]
        w = loss = 0.0
        if 0 <= t < classes and t != ignored:
            if short:
                greatest, powers = maxima[row], short_sum(terms[row])
            else:
                greatest, powers = exponentials(x[row], nothing)
            w = np.float64(weight[t]) if len(weight) else 1.0
            loss = w * (math.log(powers) - (np.float64(x[row, t]) - np.float64(greatest)))
        elif t != ignored:
            wrong += 1
        total += loss
        weights += w
        if len(losses):
            losses[row] = loss
    return total, weights, wrong


@njit
def rows_loss(counter, x, target, weight, losses, tally, rows, ignored):
    """One thread. tally (tasks, 3) = what `losses_of` says of each task of `rows` rows."""
    task = take(counter, len(tally))
    while task < len(tally):
        here = slice(task * rows, (task + 1) * rows)
        tally[task, 0], tally[task, 1], tally[task, 2] = losses_of(x[here], target[here], weight, losses[here], ignored)
        task = take(counter, len(tally))


@njit
def few_rows_loss(x, target, weight, losses, ignored):
    """rows_loss for what one thread does at once."""
    return losses_of(x, target, weight, losses, ignored)


@inner
def gradients_of(x, target, weight, factors, out, ignored):
    """out (N, C) = the gradient; factors: that of each row's loss, or one for all."""
    short = x.shape[1] < SHORT
    if short:
        short_exponentials(x, np.empty(len(x), x.dtype), out)
    for row in range(len(x)):
        t, y = target[row], out[row]
        if t == ignored:
            y[:] = 0
            continue
        total = short_sum(y) if short else exponentials(x[row], y)[1]
        factor = np.float64(factors[row if len(factors) > 1 else 0])
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


@njit
def rows_gradient(counter, x, target, weight, factors, out, rows, ignored):
    """One thread; `rows` of the rows are a task."""
    first = take_many(counter, len(x), rows)
    while first < len(x):
        here = slice(first, first + rows)
        part = factors[here] if len(factors) > 1 else factors
        gradients_of(x[here], target[here], weight, part, out[here], ignored)
        first = take_many(counter, len(x), rows)


@njit
def few_rows_gradient(x, target, weight, factors, out, ignored):
    """rows_gradient for what one thread does at once."""
    gradients_of(x, target, weight, factors, out, ignored)


@njit
def divisor_of(target, weight, ignored):
    """What the mean is divided by: the sum of the targets' weights."""
    total = 0.0
    for t in target:
        if t != ignored:
            total += np.float64(weight[t]) if len(weight) else 1.0
    return total


NO_WEIGHT = {dtype: np.empty(0, dtype) for dtype in map(np.dtype, ("float32", "float64"))}


def arrays(input, target, weight):
    """What the kernels take for the inputs of the operation."""
    return plain(input), plain(target), NO_WEIGHT[input.dtype] if weight is None else plain(weight)


@accelerates("cross_entropy_of_classes")
def cross_entropy_of_classes(input, target, weight=None, *, ignore_index, reduction):
    """The loss of each row, their sum, or their mean."""
    count, classes = input.shape
    x, y, w = arrays(input, target, weight)
    losses = np.empty(count, x.dtype) if reduction == "none" else NO_WEIGHT[x.dtype]
    if x.size <= TASK:
        total, divisor, wrong = few_rows_loss(x, y, w, losses, ignore_index)
    else:
        rows = max(1, TASK // classes)
        tally = np.empty((-(-count // rows), 3))
        threads.run(rows_loss, threads.threads_for(40 * x.size), x, y, w, losses, tally, rows, ignore_index)
        total, divisor, wrong = np.add.reduce(tally, 0).tolist()
    if wrong or (divisor == 0 and reduction == "mean"):  # it has the words for the first, and nan for the second
        options = dict(ignore_index=ignore_index, reduction=reduction)
        return REGISTRY["cross_entropy_of_classes"].reference(input, target, weight, **options)
    if reduction == "none":
        return losses
    return np.array(total / divisor if reduction == "mean" else total, x.dtype)


@accelerates("cross_entropy_backward")
def cross_entropy_backward(grad, input, target, weight=None, *, ignore_index, reduction):
    """The gradient of the logits."""
    x, y, w = arrays(input, target, weight)
    out, factors = np.empty(x.shape, x.dtype), plain(grad).reshape(-1)
    if reduction == "mean":
        divisor = divisor_of(y, w, ignore_index)
        if divisor:
            factors = factors / x.dtype.type(divisor)
    if x.size <= TASK:
        few_rows_gradient(x, y, w, factors, out, ignore_index)
    else:
        rows = max(1, TASK // x.shape[1])
        threads.run(rows_gradient, threads.threads_for(40 * x.size), x, y, w, factors, out, rows, ignore_index)
    return out
