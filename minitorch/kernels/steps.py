"""Optimizer steps: one pass over all parameters of a model.

In NumPy, a step of Adam goes 16 times over memory for each parameter, and most parameters (biases, weights of norms)
are so small that the calls cost more than the numbers. Here one call takes them all. Numba has no cheap list of arrays, so
the call is handed a table of where the array objects themselves stand, which Python's `id` says in 30 ns (asking an array
for the address of its numbers takes 100 times as long). An ndarray in C begins with the head of every Python object, and
then comes that address. The work goes in pieces of the parameters, element by element:

    SGD with momentum   reads param, grad, v      writes param, v         3 + 2 numbers an element, 6 operations
    Adam                reads param, grad, m, v   writes param, m, v      4 + 3 numbers an element, 15 operations

The operations, and their order, are those of the rules in optim/, so every bit of the result is the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from . import threads
from .jit import njit, take

__all__ = ["STEPS"]

PIECE = 16384  # elements of a task
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@intrinsic
def pointer(typing, array_id):
    """Where the numbers of the ndarray with this `id` stand. The caller keeps the array alive."""

    def generate(context, builder, signature, arguments):
        after_head = builder.add(arguments[0], ir.Constant(arguments[0].type, object.__basicsize__))
        return builder.load(builder.inttoptr(after_head, context.get_value_type(types.voidptr).as_pointer()))

    return types.voidptr(array_id), generate


@njit(error_model="numpy")
def sgd_pieces(counter, like, table, pieces, lr, decay):
    """One thread. table: rows (size, param, grad); pieces: (row, start)."""
    kind = like.dtype.type
    lr, decay = kind(-lr), kind(decay)
    task = take(counter, len(pieces))
    while task < len(pieces):
        row, start = pieces[task]
        end = min(table[row, 0], start + PIECE)
        param = carray(pointer(table[row, 1]), end, like.dtype)[start:]
        grad = carray(pointer(table[row, 2]), end, like.dtype)[start:]
        for i in range(len(param)):
            param[i] += (grad[i] + param[i] * decay) * lr
        task = take(counter, len(pieces))


@njit(error_model="numpy")
def momentum_pieces(counter, like, table, pieces, lr, decay, momentum, share, nesterov):
    """One thread. table: rows (size, param, grad, v); pieces: (row, start)."""
    kind = like.dtype.type
    lr, decay, momentum, share = kind(-lr), kind(decay), kind(momentum), kind(share)
    task = take(counter, len(pieces))
    while task < len(pieces):
        row, start = pieces[task]
        end = min(table[row, 0], start + PIECE)
        param = carray(pointer(table[row, 1]), end, like.dtype)[start:]
        grad = carray(pointer(table[row, 2]), end, like.dtype)[start:]
        velocity = carray(pointer(table[row, 3]), end, like.dtype)[start:]
        for i in range(len(param)):
            g = grad[i] + param[i] * decay
            v = velocity[i] * momentum + g * share
            velocity[i] = v
            param[i] += (g + v * momentum if nesterov else v) * lr
        task = take(counter, len(pieces))


@njit(error_model="numpy")
def adam_pieces(counter, like, table, pieces, shrink, decay, share1, beta2, root, eps, lr):
    """One thread. table: rows (size, param, grad, exp_avg, exp_avg_sq); pieces: (row, start)."""
    kind = like.dtype.type
    from_start = share1 < 0.5  # the average is moved from the end that is nearer
    rest1 = kind(1) - kind(share1)
    shrink, decay, share1, share2, beta2 = kind(shrink), kind(decay), kind(share1), kind(1 - beta2), kind(beta2)
    root, eps, lr = kind(root), kind(eps), kind(-lr)
    task = take(counter, len(pieces))
    while task < len(pieces):
        row, start = pieces[task]
        end = min(table[row, 0], start + PIECE)
        param = carray(pointer(table[row, 1]), end, like.dtype)[start:]
        grad = carray(pointer(table[row, 2]), end, like.dtype)[start:]
        first = carray(pointer(table[row, 3]), end, like.dtype)[start:]
        second = carray(pointer(table[row, 4]), end, like.dtype)[start:]
        for i in range(len(param)):
            p = param[i] * shrink
            g = grad[i] + p * decay
            difference = g - first[i]
            m = first[i] + difference * share1 if from_start else g - difference * rest1
            v = second[i] * beta2 + g * share2 * g
            first[i], second[i] = m, v
            param[i] = p + m * lr / (kind(sqrt(v)) / root + eps)
        task = take(counter, len(pieces))


@functools.lru_cache(64)
def pieces_of(sizes: tuple[int, ...]) -> np.ndarray:
    """Rows (row, start): parameters of these sizes, cut into tasks."""
    cut = [(row, start) for row, size in enumerate(sizes) for start in range(0, size, PIECE)]
    return np.array(cut, np.int64).reshape(-1, 2)


LIKE = {dtype: np.empty(0, dtype) for dtype in (FLOAT32, FLOAT64)}


def run(kernel, many: list, *options) -> None:
    """Run a kernel over the rows of arrays `many`: (param, grad, *state), all contiguous and of one type."""
    sizes = tuple([row[0].size for row in many])
    table = np.array([(size, *map(id, row)) for size, row in zip(sizes, many, strict=True)], np.int64)
    threads.run(
        kernel, threads.threads_for(20 * sum(sizes)), LIKE[many[0][0].dtype], table, pieces_of(sizes), *options,
    )  # fmt: skip


def sgd(many, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first) -> None:
    """The rule `sgd` of optim/sgd.py, over many parameters."""
    if momentum == 0:
        run(sgd_pieces, [row[:2] for row in many], lr, weight_decay)
    else:
        run(momentum_pieces, many, lr, weight_decay, momentum, 1 - dampening, nesterov)


def adam(many, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step) -> None:
    """The rule `adam` of optim/adam.py, over many parameters."""
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    root, rate = (1 - beta2**step) ** 0.5, lr / (1 - beta1**step)
    run(adam_pieces, [row[:4] for row in many], shrink, decay, 1 - beta1, beta2, root, eps, rate)


class Step(NamedTuple):
    """run: the kernel; what else than contiguous arrays of one type it wants is said by `takes`."""

    run: Callable
    takes: Callable

    def suits(self, row: list, options: dict) -> bool:
        """Whether the kernel can move a parameter with these arrays (None: a state that is not in use)."""
        dtype = row[0].dtype
        if dtype is not FLOAT32 and dtype is not FLOAT64:
            return False
        for array in row:
            if array is not None and not (array.dtype is dtype and array.flags.carray):
                return False
        return self.takes(row, options)


STEPS = {
    "sgd": Step(sgd, lambda row, options: not options["first"] and not options["maximize"]),
    "adam": Step(adam, lambda row, options: row[4] is None and not options["maximize"]),
}
