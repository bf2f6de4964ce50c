"""The operator `@` for two plain tensors: one function from the operands to the result.

A product of small matrices takes a microsecond, so what stands around it shows. As in call.py, the common case is a
straight line, and everything else is left to the general way.
"""

from __future__ import annotations

from collections.abc import Callable

from .call import FLOAT32, FLOAT64, array, ndarray
from .node import Node
from .state import state, watched
from .tensor import Tensor, new, node_of


def make_product(of_matrices, by_rank: dict, otherwise: Callable) -> Callable:
    """The function of two operands that runs `of_matrices`, or the operation by_rank[input.ndim, other.ndim], or else calls
    `otherwise`.

    The operations are linear in each input, need the other one for its gradient, and make new arrays, row by row.
    """

    def product(input, other):
        if watched.threads:
            return otherwise(input, other)
        try:
            a, b = input.array, other.array
            op = of_matrices if a.ndim == 2 and b.ndim == 2 else by_rank[a.ndim, b.ndim]
            dtype = a.dtype
            if dtype is not b.dtype or (dtype is not FLOAT32 and dtype is not FLOAT64):
                return otherwise(input, other)
            out = op.kernel(a, b)
        except (AttributeError, KeyError, ValueError):  # no tensor, other ranks, or sizes that do not fit
            return otherwise(input, other)
        if out.__class__ is not ndarray:
            out = array(out)
        z = new(Tensor)
        z.array = out
        z.node = z.origin = z.edits = None
        z.row_major = True
        node_a = input.node if input.origin is None else node_of(input) if state.grad else None
        node_b = other.node if other.origin is None else node_of(other) if state.grad else None
        if (node_a is not None or node_b is not None) and state.grad:
            kept = None if node_b is None else input, None if node_a is None else other
            z.node = Node(op, (node_a, node_b), kept, None, {}, out.shape, dtype)
        return z

    return product
