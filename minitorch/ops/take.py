"""Elements at the places that index tensors name: take_at (read), add_at (its transpose: add into zeros) and put_at
(write into a tensor). The family is closed: their rules are made of themselves.

Where the dimensions of several index tensors go is NumPy's rule: to the place of the first when they stand side by
side, else to the front.
"""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, KEEP, LINEAR, op
from ..core.tensor import Tensor, wrap
from ..strided import copied_in_order, ordered_by
from .part import ALL

# Index tensors. `indices` has one entry for each dimension: None, integers, or a mask (which stands for as many
# dimensions as it has); dimensions after the last entry are taken whole.


def key_of(indices) -> tuple:
    """What stands between NumPy's brackets for these indices."""
    return tuple([ALL if i is None else i for i in indices])


def used_entries(indices) -> list[int]:
    return [d for d, i in enumerate(indices) if i is not None]


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(input=lambda g, size, indices: add_at(g, *indices, size=size)),
    jvp=dict(input=lambda t, indices: take_at(t, *indices)),
    backward_name="IndexBackward0",
)
def take_at(input, *indices):
    """The elements at the places that the index tensors name."""
    used = used_entries(indices)
    if input.flags.c_contiguous:
        if len(used) == 1 and indices[used[0]].dtype.kind == "i":
            return input.take(indices[used[0]], used[0])
        return np.asarray(input[key_of(indices)], order="C")
    out = input[key_of(indices)]
    return ordered_by(out, [(out.shape, strides) for strides in _steps(input, indices, used, out.shape)])


def _steps(input: np.ndarray, indices, used: list[int], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The steps in memory along the dimensions of input[indices], of this shape: those of the input, then those of each
    index.

    torch orders the result by them. The input makes no step along the dimensions that the indices bring, an index none
    along the others, except where they have size 1: there it has the step that a view of that shape has.
    """
    taken: list[int] = []  # the dimensions of the input that are indexed
    d = 0
    for index in indices:
        width = index.ndim if index is not None and index.dtype.kind == "b" else 1
        taken += [] if index is None else range(d, d + width)
        d += width
    kept = [step for d, step in enumerate(input.strides) if d not in taken]
    before = taken[0] if taken[-1] - taken[0] == len(taken) - 1 else 0
    after = before + len(shape) - len(kept)  # the first dimension after those that the indices bring
    brought = shape[before:after]
    steps = [(*kept[:before], *(0,) * len(brought), *kept[before:])]
    for index in (indices[i] for i in used):
        size, own = (index.shape, index.strides) if index.dtype.kind == "i" else ((brought[-1],), (8,))
        own = [0 if n != m else step for n, m, step in zip(size, brought[len(brought) - len(size) :], own, strict=True)]
        own = [0] * (len(brought) - len(own)) + own
        first, last = (brought[0] * own[0], own[-1]) if own else (8, 8)
        outer = [first if n == 1 else 0 for n in shape[:before]]
        inner = [last if n == 1 else 0 for n in shape[after:]]
        steps.append((*outer, *own, *inner))
    return steps


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(values=lambda g, indices: take_at(g, *indices)),
    jvp=dict(values=lambda t, indices, z: add_at(t, *indices, size=z.array.shape)),
    backward_name="IndexPutBackward0",
)
def add_at(values, *indices, size):
    """Zeros of shape `size` with `values` added at the places that the index tensors name."""
    out = np.zeros(size, values.dtype)
    accumulate(out, indices, values)
    return out


def accumulate(out: np.ndarray, indices, values: np.ndarray) -> None:
    """out[indices] += values, where a place may come several times."""
    used = used_entries(indices)
    if len(used) == 1 and (0 not in out.strides or not out.size):
        index, d = indices[used[0]], used[0]
        if index.dtype.kind == "b":
            out[key_of(indices)] += values
            return
        values = np.broadcast_to(values, out.shape[:d] + index.shape + out.shape[d + 1 :])
        places = tuple(range(d, d + index.ndim))
        rows = np.moveaxis(values, places, tuple(range(index.ndim)))
        add_rows(np.moveaxis(out, d, 0), index.reshape(-1), rows.reshape((index.size, *rows.shape[index.ndim :])))
    else:
        np.add.at(out, key_of(indices), values)


def add_rows(out: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    """out[index[i]] += rows[i] for every i, where an index may come several times.

    Sorted by index, the rows for one place stand side by side, and `add.reduceat` sums each run at once.
    """
    if index.size < 2 or not rows.size:
        out[index] += rows
        return
    index = np.where(index < 0, index + len(out), index)
    if rows.ndim == 1:
        np.add.at(out, index, rows)
        return
    order = index.argsort(kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    out[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0, dtype=rows.dtype)


def write_at(out: np.ndarray, indices, values: np.ndarray, adds: bool) -> None:
    """out[indices] = values, or += values."""
    if adds:
        accumulate(out, indices, values)
    else:
        out[key_of(indices)] = values


@op(
    GENERAL,
    dtype=KEEP,
    vjp=dict(
        input=lambda g, indices, adds: g if adds else put_at(g, zero_of(g), *indices, adds=False),
        values=lambda g, indices: take_at(g, *indices),
    ),
    jvp=dict(
        input=lambda t, indices, adds: t if adds else put_at(t, zero_of(t), *indices, adds=False),
        values=lambda t, indices, adds, z: put_at(zeros_like(z), t, *indices, adds=adds),
    ),
    backward_name="IndexPutBackward0",
)
def put_at(input, values, *indices, adds):
    """`input` with `values` written (or added) at the places that the index tensors name."""
    out = copied_in_order(input, input.dtype)
    write_at(out, indices, values, adds)
    return out


def zero_of(like: Tensor) -> Tensor:
    return wrap(np.zeros((), like.array.dtype))


def zeros_like(like: Tensor) -> Tensor:
    return wrap(np.zeros(like.array.shape, like.array.dtype))
