"""topk for small k: the k best so far, in order, and one look at every element.

Most elements are no better than the worst of the k, so whole blocks are compared with it in vectors, and passed over. In a row
of n numbers in random order only about k (1 + ln(n / k)) are ever put among the k: the cost is that of reading the row, where
partitioning it moves every number about. Numbers that come in order are the worst case, k n steps; therefore the limit on k.

NaN is the largest number. Of equal ones the first stays first.
"""

import numpy as np

from ..core.op import REGISTRY
from . import threads
from .elementary import add
from .jit import inner, njit, take_many
from .registry import accelerates
from .softmax import along_last

__all__ = ["topk_dim"]

MOST = 32  # the largest k
BLOCK = 32  # elements compared at once
TASK = 16384  # elements of a task, about


@inner
def before(a, b, largest):
    """Whether `a` comes before `b`."""
    if largest:
        return a > b or (a != a and b == b)
    return a < b or (b != b and a == a)


@inner
def enter(values, places, count, value, place, largest):
    """Put `value` where it belongs among the first `count`, in order; those behind it move on, the last one out."""
    j = count
    while j > 0 and before(value, values[j - 1], largest):
        if j < len(values):
            values[j], places[j] = values[j - 1], places[j - 1]
        j -= 1
    if j < len(values):
        values[j], places[j] = value, place


@njit
def rows_topk(counter, x, values, places, rows, largest):
    """One thread. x: (count, n); values, places: (count, k), the k largest (smallest) and where they are."""
    count, width = x.shape
    k = values.shape[1]
    zero, one = x.dtype.type(0), x.dtype.type(1)
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            a, best, where = x[row], values[row], places[row]
            for i in range(k):
                enter(best, where, i, a[i], i, largest)
            for j in range(k, width, BLOCK):
                block, worst = a[j : j + BLOCK], best[k - 1]
                better = zero  # counted in floats, for vectors; written so that NaN counts
                if largest:
                    for i in range(len(block)):
                        better = add(better, zero if block[i] <= worst else one)
                else:
                    for i in range(len(block)):
                        better = add(better, zero if block[i] >= worst else one)
                if better > zero:
                    for i in range(len(block)):
                        if before(block[i], best[k - 1], largest):
                            enter(best, where, k, block[i], j + i, largest)
        first = take_many(counter, count, rows)


@accelerates("topk_dim")
def topk_dim(input, *, k, dim, largest):
    """The k largest (smallest) elements along `dim` and their indices, in order."""
    if not 0 < k <= MOST or not input.ndim or not input.size:
        return REGISTRY["topk_dim"].reference(input, k=k, dim=dim, largest=largest)
    x = along_last(input, dim).reshape(-1, input.shape[dim])
    values, places = np.empty((len(x), k), input.dtype), np.empty((len(x), k), np.int64)
    threads.run(rows_topk, threads.threads_for(60 * x.size), x, values, places, max(1, TASK // x.shape[1]), largest)
    shape = list(input.shape)
    shape[dim], shape[-1] = shape[-1], k
    return tuple([np.ascontiguousarray(found.reshape(shape).swapaxes(dim, -1)) for found in (values, places)])
