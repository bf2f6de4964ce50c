"""One element out of each line along a dimension, and back: what the gradients of max, sort, topk, ... are made of.

    pick    z[i, k] = input[i, index[i, k]]
    place   z[i, index[i, k]] += values[i, k], zero elsewhere

Each is linear, and the other is its transpose.
"""

from __future__ import annotations

import numpy as np

from ..core.op import LINEAR, SAME, op


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, index, size, dim, keepdim: place(g, index, size=size, dim=dim, keepdim=keepdim)),
    backward_name="GatherBackward0",
)
def pick(input, index, *, dim, keepdim):
    """z = the elements of `input` at `index` along `dim`. keepdim false: `index` and z lack that dimension."""
    if not input.ndim:
        return input.copy()
    if keepdim:
        return np.take_along_axis(input, index, dim)
    return np.take_along_axis(input, np.expand_dims(index, dim), dim).squeeze(dim)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(values=lambda g, index, dim, keepdim: pick(g, index, dim=dim, keepdim=keepdim)),
    backward_name="ScatterAddBackward0",
)
def place(values, index, *, size, dim, keepdim, repeats=False):
    """z = zeros of shape `size`, with `values` added at `index` along `dim`. repeats: an index may come twice."""
    if not size:
        return values.copy()
    if not keepdim:
        values, index = np.expand_dims(values, dim), np.expand_dims(index, dim)
    out = np.zeros(size, values.dtype)
    if repeats:
        where = list(np.ogrid[tuple(map(slice, values.shape))])
        where[dim] = index
        np.add.at(out, tuple(where), values)
    else:
        np.put_along_axis(out, index, values, dim)
    return out
