"""Distinct elements, and places in sorted sequences."""

from __future__ import annotations

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, KEEP, SAME, function, op
from ..core.promote import result_dtype
from ..core.tensor import Tensor, wrap
from ..shapes import normalize_dim

# Distinct elements. Each NaN is one of its own.


def _runs(rows: np.ndarray) -> np.ndarray:
    """Where, going along the first dimension, something else begins."""
    starts = np.ones(len(rows), np.bool_)
    differ = rows[1:] != rows[:-1]
    starts[1:] = differ.any(axis=tuple(range(1, rows.ndim))) if rows.ndim > 1 else differ
    return starts


def _order_of_rows(rows: np.ndarray) -> np.ndarray:
    """The indices that sort rows (N, ...) lexicographically, the first column counting most."""
    if rows.ndim == 1:
        return np.argsort(rows, kind="stable")
    if not rows.size:
        return np.arange(len(rows))
    return np.lexsort(rows.reshape(len(rows), -1).T[::-1])


def _distinct(rows: np.ndarray, order: np.ndarray):
    """(the distinct rows, for each row which of them it is, how often each comes), read in `order`."""
    starts = _runs(rows[order])
    first = np.flatnonzero(starts)
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = np.cumsum(starts) - 1
    counts = np.diff(np.append(first, len(rows)))
    return rows[order[first]], inverse, counts.astype(np.int64)


def _unique(input, dim, order_of):
    if dim is None:
        flat = np.ascontiguousarray(input).reshape(-1)
        values, inverse, counts = _distinct(flat, order_of(flat))
        return values, inverse.reshape(input.shape), counts
    rows = np.ascontiguousarray(np.moveaxis(input, dim, 0))
    values, inverse, counts = _distinct(rows, order_of(rows))
    return np.moveaxis(values, 0, dim), inverse, counts


@op(GENERAL, dtype=SAME, backward_name="Unique2Backward0")
def unique_sorted(input, *, dim):
    """(distinct values in order, index of each element among them, counts); whole slices along `dim`"""
    return _unique(input, dim, _order_of_rows)


@op(GENERAL, dtype=SAME, backward_name="UniqueConsecutiveBackward0")
def unique_runs(input, *, dim):
    """(first of each run of equal elements, index of each element's run, lengths of the runs)"""
    return _unique(input, dim, lambda rows: np.arange(len(rows)))


def _chosen(outputs: tuple, return_inverse: bool, return_counts: bool):
    values, inverse, counts = outputs
    chosen = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return chosen if len(chosen) > 1 else values


def _unique_dim(name: str, input: Tensor, dim):
    if dim is None:
        return None
    dim = normalize_dim(dim, input.array.ndim)
    shape = input.array.shape
    if 0 in shape and (shape[dim] or shape.count(0) > 1):
        raise RuntimeError(
            f"{name}(): There are 0 sized dimensions, and they aren't selected, so unique cannot be applied (shape "
            f"{list(shape)}, dim {dim})"
        )
    return dim if shape else None


@function(torch="unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """The distinct elements (dim: the distinct slices along it), always in ascending order.

    return_inverse: also, for each element, its index among them; return_counts: also how often each comes.
    """
    return _chosen(unique_sorted(input, dim=_unique_dim("unique", input, dim)), return_inverse, return_counts)


@function(torch="unique_consecutive")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
):
    """As `unique`, but only neighbours that are equal are made one, and the order stays."""
    dim = _unique_dim("unique_consecutive", input, dim)
    return _chosen(unique_runs(input, dim=dim), return_inverse, return_counts)


# Places in sorted sequences.


@op(GENERAL, dtype=KEEP)
def place_in_order(sorted_sequence, input, sorter=None, *, right, out_int32):
    """z = how many elements of each sorted line are < input (right: <= input)"""
    common = np.promote_types(sorted_sequence.dtype, input.dtype)
    sequence, values = sorted_sequence.astype(common, copy=False), input.astype(common, copy=False)
    if sorter is not None:
        sequence = np.take_along_axis(sequence, sorter, -1)
    side = "right" if right else "left"
    if sequence.ndim == 1:
        found = np.searchsorted(sequence, values, side)
    elif not values.size:
        found = np.zeros(values.shape)
    else:
        lines = zip(sequence.reshape(-1, sequence.shape[-1]), values.reshape(-1, values.shape[-1]), strict=True)
        found = np.array([np.searchsorted(line, value, side) for line, value in lines]).reshape(values.shape)
    return np.asarray(found, np.int32 if out_int32 else np.int64)


def _side(name: str, right: bool, side: str | None) -> bool:
    if side is None:
        return right
    if side not in ("left", "right"):
        raise RuntimeError(f"{name}(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError(f"{name}(): side and right can't be set to opposites, got side of left while right was True")
    return side == "right"


def _values(name: str, sequence: Tensor, input) -> Tensor:
    """The values to look for as a tensor; a number takes the common type with the sequence."""
    if isinstance(input, Tensor):
        return input
    return wrap(np.array(input, result_dtype((sequence, input)).numpy))


@function(torch="searchsorted")
def searchsorted(
    sorted_sequence: Tensor,
    input,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value of `input` belongs in the ascending `sorted_sequence`: before equal elements (right: after).

    sorted_sequence: one line for all values, or (..., n) with input (..., m). sorter: the indices that sort it.
    """
    name = "searchsorted"
    right = _side(name, right, side)
    values = _values(name, sorted_sequence, input)
    lines, wanted = sorted_sequence.array.shape, values.array.shape
    if isinstance(input, Tensor) and wanted and input.array.size and input.array.dtype != sorted_sequence.array.dtype:
        raise RuntimeError(
            f"{name}(): input value tensor and boundary tensor should have same dtype, but got {sorted_sequence.dtype} "
            f"and {input.dtype}"
        )
    if not wanted and len(lines) != 1:
        raise RuntimeError(
            f"{name}(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries "
            f"tensor of shape {list(lines)}"
        )
    if not lines:
        raise RuntimeError(f"{name}(): boundaries tensor should have positive dimension, but got 0 dimension")
    if len(lines) != 1 and lines[:-1] != wanted[:-1]:
        raise RuntimeError(
            f"{name}(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(lines)} and input {list(wanted)}"
        )
    if sorter is not None:
        if sorter.array.shape != lines:
            raise RuntimeError(
                f"{name}(): boundary and sorter must have the same size, but got {list(lines)} and {list(sorter.shape)}"
            )
        if sorter.array.dtype != np.int64:
            raise RuntimeError(f"{name}(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}")
        order = numbers(sorter.array)
        if order.size and not (0 <= order.min() and order.max() < lines[-1]):
            raise RuntimeError(f"{name}(): sorter index out of range")
    return place_in_order(sorted_sequence, values, sorter, right=right, out_int32=out_int32)


@function(torch="bucketize")
def bucketize(input, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The index of the bucket between the ascending `boundaries` (1-dim) that each value falls into."""
    if boundaries.array.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.array.ndim})")
    values = _values("bucketize", boundaries, input)
    return place_in_order(boundaries, values, right=right, out_int32=out_int32)
