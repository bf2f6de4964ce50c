"""Resampling one dimension: every output element is a weighted sum of a few input elements.

    z[..., j, ...] = sum over t of  weight[j, t] x[..., index[j, t], ...]

Reflection and circular padding, interpolation of every kind and adaptive averages are this operation, dimension by
dimension; they differ in `index` and `weight`. Its adjoint sends every output back to where it was read from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import LINEAR, SAME, op


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        input=lambda g, size, dim, index, weight: resample_adjoint(
            g, dim=dim, index=index, weight=weight, size=size[dim]
        )
    ),
)
def resample(input, *, dim, index, weight):
    """z[..., j, ...] = sum over t of weight[j, t] x[..., index[j, t], ...]; no weight: one tap of weight 1.

    index: integers (n_out, taps); weight: numbers (n_out, taps) or None.
    """
    if weight is None:
        return input.take(index[:, 0], axis=dim)
    out = None
    for t in range(index.shape[1]):
        term = input.take(index[:, t], axis=dim)
        term *= along(weight[:, t], input, dim)
        out = term if out is None else np.add(out, term, out=out)
    return out


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(grad=lambda g, dim, index, weight: resample(g, dim=dim, index=index, weight=weight)),
)
def resample_adjoint(grad, *, dim, index, weight, size):
    """x[..., i, ...] = the sum of weight[j, t] z[..., j, ...] over all (j, t) with index[j, t] = i; `size` of them."""
    shape = list(grad.shape)
    shape[dim] = size
    out = np.zeros(shape, grad.dtype)
    for t in range(index.shape[1]):
        term = grad if weight is None else grad * along(weight[:, t], grad, dim)
        add_at(out, index[:, t], term, dim)
    return out


def along(values: np.ndarray, array: np.ndarray, dim: int) -> np.ndarray:
    """A row of numbers in the array's type, shaped so that it broadcasts along dimension `dim`."""
    return values.astype(array.dtype, copy=False).reshape(-1, *[1] * (array.ndim - 1 - dim))


def add_at(out: np.ndarray, index: np.ndarray, values: np.ndarray, dim: int) -> None:
    """out[..., index[j], ...] += values[..., j, ...], also where an index comes several times."""
    if index.size == 0 or out.size == 0:
        return
    if (index[1:] < index[:-1]).any():
        order = index.argsort(kind="stable")
        index, values = index[order], values.take(order, axis=dim)
    starts = np.flatnonzero(np.r_[True, index[1:] != index[:-1]])
    place: tuple[Any, ...] = (slice(None),) * dim
    if len(starts) == len(index):
        out[(*place, index)] += values
    else:
        out[(*place, index[starts])] += np.add.reduceat(values, starts, axis=dim)
