"""Reductions: many elements to one, along dimensions."""

from __future__ import annotations

import numpy as np

from ..core.op import LINEAR, SUM, function, op
from ..core.tensor import Tensor
from ..shapes import normalize_dims, reduced_shape
from .convert import to_dtype


def expand_reduced(g: Tensor, size, dim, keepdim: bool) -> Tensor:
    """A reduced tensor (or its gradient) repeated along the dimensions that were reduced away."""
    if not keepdim:
        g = g.reshape(reduced_shape(size, dim, True))
    return g.expand(size)


@op(
    LINEAR,
    dtype=SUM,
    vjp=dict(input=lambda g, size, dim, keepdim: expand_reduced(g, size, dim, keepdim)),
    backward_name="SumBackward1",
)
def sum_dims(input, *, dim, keepdim):
    """z = the sum of the elements along the dimensions `dim`."""
    return np.add.reduce(input, axis=dim, keepdims=keepdim)


@function(torch="sum")
def sum(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """The sum over `dim` (an int, several, or None for all). Bools and integers are summed in int64."""
    if dtype is not None:
        input = to_dtype(input, dtype)
    dims = normalize_dims(dim, input.array.ndim) if dim != () and dim != [] else tuple(range(input.array.ndim))
    if input.array.ndim == 0:
        dims = ()
    return sum_dims(input, dim=dims, keepdim=keepdim)


@function(torch="sum_to_size")
def sum_to_size(input: Tensor, *size) -> Tensor:
    """`input` summed down to a shape that broadcasts to its own: the adjoint of broadcasting."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape = input.array.shape
    extra = len(shape) - len(size)
    dims = tuple(d for d, n in enumerate(shape) if d < extra or (size[d - extra] == 1 and n != 1))
    if extra < 0 or any(d >= extra and size[d - extra] != n and d not in dims for d, n in enumerate(shape)):
        raise RuntimeError(f"sum_to_size(): size {list(size)} is not expandable to size {list(shape)}")
    if not dims:
        return input
    return sum_dims(input, dim=dims, keepdim=True).reshape(size)
