"""Losses of pairs of numbers, a prediction x and a target y, and their sum: one pass over memory, and no array of terms.

In NumPy the binary cross-entropy makes eight intermediate arrays. Here each formula below is a term, a loop adds up FEW terms
at a time in partial sums (in vectors: the functions from elementary.py have no branches), and those sums are added in float64.
A piece of CHUNK terms has its own sum, so that the number of threads changes nothing.

    mse               (x - y)^2
    huber             d^2 / 2  where |d| <= delta,  delta (|d| - delta / 2)  elsewhere;  d = x - y
    smooth_l1         huber with delta = beta, divided by beta
    bce_with_logits   (1 - y) x + log(1 + e^-x),   the logarithm as max(-x, 0) + log1p(e^-|x|)
"""

import numpy as np
from numba import types
from numba.extending import overload

from ..core.op import REGISTRY
from . import threads
from .elementary import add, exp, log1p
from .jit import inner, njit, plain, take_many
from .registry import accelerates

__all__: list[str] = []

FEW = 512  # terms summed in their own precision
CHUNK = 4096  # terms of a piece
TASK = 4  # pieces of a task
OPTIONS = dict(fastmath={"contract"}, error_model="numpy")


def mse(kind, x, y, bound):
    return (x - y) * (x - y)


def huber(kind, x, y, bound):
    d = abs(x - y)
    return kind(0.5) * d * d if d <= bound else bound * (d - kind(0.5) * bound)


def smooth_l1(kind, x, y, bound):
    d = abs(x - y)
    return d * d * (kind(0.5) / bound) if d < bound else d - kind(0.5) * bound


def bce_with_logits(kind, x, y, bound):
    size = x if x > kind(0) else -x
    return (kind(1) - y) * x + ((kind(0) if x > kind(0) else -x) + log1p(exp(-size)))


TERMS = {f.__name__: f for f in (mse, huber, smooth_l1, bce_with_logits)}


def term(name, kind, x, y, bound):
    raise NotImplementedError("term is for compiled code")


@overload(term, jit_options=dict(forceinline=True))
def formula(name, kind, x, y, bound):
    """The loop holds the name of a formula, not the formula itself, as in pointwise.py."""
    if isinstance(name, types.StringLiteral):
        function = njit(TERMS[name.literal_value], forceinline=True, **OPTIONS)
        return lambda name, kind, x, y, bound: function(kind, x, y, bound)
    return None


def loss(name, bound_name=None):
    """The kernel of the loss `name`, whose parameter `bound_name` is the formula's bound."""

    @inner(**OPTIONS)
    def sum_of(x, y, bound):
        part = x.dtype.type(0)
        for i in range(len(x)):
            part = add(part, term(name, x.dtype.type, x[i], y[i], bound))
        return part

    @njit(**OPTIONS)
    def sum_pieces(counter, x, y, out, bound):
        """One thread. x, y: flat; out: the sum of each piece."""
        bound = x.dtype.type(bound)
        first = take_many(counter, len(out), TASK)
        while first < len(out):
            for k in range(first, min(len(out), first + TASK)):
                total = 0.0
                for j in range(k * CHUNK, min(len(x), (k + 1) * CHUNK), FEW):
                    end = min(j + FEW, len(x), (k + 1) * CHUNK)
                    total += sum_of(x[j:end], y[j:end], bound)
                out[k] = total
            first = take_many(counter, len(out), TASK)

    def kernel(input, target, *weights, reduction, **params):
        weighted = any([weight is not None for weight in weights])
        if reduction == "none" or weighted or input.shape != target.shape or not input.size:
            return REGISTRY[name].reference(input, target, *weights, reduction=reduction, **params)
        pieces = np.empty(-(-input.size // CHUNK))
        bound = float(params[bound_name]) if bound_name else 0.0
        flat = plain(input).reshape(-1), plain(target).reshape(-1)
        threads.run(sum_pieces, threads.threads_for(60 * input.size), *flat, pieces, bound)
        total = np.add.reduce(pieces)
        return (total / input.size if reduction == "mean" else total).astype(input.dtype)

    return kernel


for name, bound in (("mse", None), ("huber", "delta"), ("smooth_l1", "beta"), ("bce_with_logits", None)):
    accelerates(name)(loss(name, bound))
