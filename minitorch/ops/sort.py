"""Sorting, and the elements that have a rank: topk, kthvalue, median, mode. NaN counts as the largest number.

Sorting is stable in both directions. Every result is a choice of the input's elements, so every gradient goes back to
the places they came from.
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.op import GENERAL, KEEP, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import as_int, normalize_dim
from ..strided import arranged
from .extrema import shared_evenly
from .pick import on_lines, place
from .reduce import numpy_arguments


def placed(g, z, size, dim):
    return place(g[0], z[1], size=size, dim=dim, keepdim=True)


# Sort.


def sorting_order(input: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """The indices that sort `input` stably along `dim`."""
    if not descending:
        return input.argsort(dim, "stable")
    # Sorted from behind and read from behind, equal elements come out in their first order.
    backwards = (*(slice(None),) * dim, slice(None, None, -1))
    return input.shape[dim] - 1 - input[backwards].argsort(dim, "stable")[backwards]


@op(GENERAL, dtype=KEEP, vjp=dict(input=placed), backward_name="SortBackward0")
def sort_dim(input, *, dim, descending):
    """(values, indices) sorted along `dim`"""
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    keys = input.astype(np.float32) if input.dtype.kind == "V" else input  # bfloat16 sorts its NaNs anywhere
    order = sorting_order(keys, dim, descending)
    return arranged(input[on_lines(order, dim)], [input]), arranged(order, [input])


@function(torch="sort")
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None, **numpy_names):
    """(values, indices) sorted along `dim`, ascending or descending; NaN is the largest. Always stable."""
    if numpy_names:
        dim, _ = numpy_arguments("sort", numpy_names, dim, False)
    _check_flag("sort", dim, descending)
    return results.sort(*sort_dim(input, dim=normalize_dim(dim, input.array.ndim), descending=descending))


def _check_flag(name: str, dim, descending) -> None:
    if isinstance(dim, bool) or not isinstance(descending, bool):
        raise TypeError(f"{name}() received an invalid combination of arguments: {dim!r}, {descending!r}")


@function(torch="argsort")
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that sort along `dim`: sort(...).indices."""
    return sort(input, dim, descending)[1]


@function(torch="msort")
def msort(input: Tensor) -> Tensor:
    """The values sorted along the first dimension."""
    return sort(input, 0)[0]


# Top k.


def _leading(input: np.ndarray, k: int, dim: int, largest: bool) -> np.ndarray:
    """The indices of the k largest (smallest) elements in order."""
    n = input.shape[dim]
    lead = (slice(None),) * dim
    if k == 0 or n < 64 or 4 * k > n:
        return sorting_order(input, dim, largest)[(*lead, slice(k))]
    if largest:
        candidates = np.argpartition(input, n - k, dim)[(*lead, slice(n - k, None))]
    else:
        candidates = np.argpartition(input, k - 1, dim)[(*lead, slice(k))]
    order = sorting_order(input[on_lines(candidates, dim)], dim, largest)
    return candidates[on_lines(order, dim)]


@op(GENERAL, dtype=SAME, vjp=dict(input=placed), backward_name="TopkBackward0")
def topk_dim(input, *, k, dim, largest):
    """(values, indices) of the k largest or smallest elements along `dim`, in order"""
    if not input.ndim:
        return (input.copy(), np.zeros((), np.int64)) if k else (np.empty(0, input.dtype), np.empty(0, np.int64))
    order = _leading(input, k, dim, largest)
    return input[on_lines(order, dim)], order


@function(torch="topk")
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True):
    """(values, indices) of the k largest (or smallest) elements along `dim`, always in order.

    Which of several equal elements is taken is not defined. RuntimeError for a k out of range.
    """
    dim = normalize_dim(dim, input.array.ndim)
    k = as_int(k, "k")
    if not 0 <= k <= (input.array.shape[dim] if input.array.ndim else 1):
        raise RuntimeError(f"topk(): selected index k out of range: {k} of shape {list(input.shape)}, dim {dim}")
    if input.array.dtype == np.bool_:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    return results.topk(*topk_dim(input, k=k, dim=dim, largest=bool(largest)))


# One element of a rank.


def _at(input: np.ndarray, index: np.ndarray, dim: int, keepdim: bool):
    values = input[on_lines(index, dim)]
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


def _only(input: np.ndarray):
    return input.copy(), np.zeros((), np.int64)


def placed_one(g, z, size, dim, keepdim):
    return place(g[0], z[1], size=size, dim=dim, keepdim=keepdim)


@op(GENERAL, dtype=SAME, vjp=dict(input=placed_one), backward_name="KthvalueBackward0")
def kthvalue_dim(input, *, k, dim, keepdim):
    """(value, index) of the k-th smallest element along `dim`, counted from 1"""
    if not input.ndim:
        return _only(input)
    place_of = (slice(None),) * dim + (slice(k - 1, k),)
    return _at(input, input.argpartition(k - 1, dim)[place_of], dim, keepdim)


def _check_ranked(name: str, input: Tensor, dim: int) -> int:
    dim = normalize_dim(dim, input.array.ndim)
    if input.array.dtype == np.bool_:
        raise NotImplementedError(f"{name}() is not implemented for bool")
    if input.array.ndim and not input.array.shape[dim]:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
    return dim


@function(torch="kthvalue")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, **numpy_names):
    """(values, indices) of the k-th smallest element along `dim`, k from 1. RuntimeError for a k out of range."""
    if numpy_names:
        dim, keepdim = numpy_arguments("kthvalue", numpy_names, dim, keepdim)
    dim = normalize_dim(dim, input.array.ndim)
    if 0 in input.array.shape[dim:][:1]:
        raise IndexError(f"kthvalue(): Expected reduction dim {dim} to have non-zero size, got {list(input.shape)}")
    if not 1 <= as_int(k, "k") <= (input.array.shape[dim] if input.array.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k {k} out of range for dimension {dim} of {list(input.shape)}")
    _check_ranked("kthvalue", input, dim)
    return results.kthvalue(*kthvalue_dim(input, k=k, dim=dim, keepdim=keepdim))


def _median_index(input: np.ndarray, dim: int, skip_nan: bool) -> np.ndarray:
    """Where the lower median is. A NaN is the median, unless it is to be skipped."""
    n = input.shape[dim]
    lead = (slice(None),) * dim
    unordered = np.isnan(input) if input.dtype.kind == "f" else None
    middle = (*lead, slice((n - 1) // 2, (n - 1) // 2 + 1))
    if unordered is None or not unordered.any():
        return input.argpartition((n - 1) // 2, dim)[middle]
    if skip_nan:
        numbers = n - np.add.reduce(unordered, dim, keepdims=True)
        return np.argsort(input, dim, "stable")[on_lines(np.maximum(numbers - 1, 0) // 2, dim)]
    ordered = np.argsort(input, dim, "stable")[middle]
    return np.where(unordered.any(dim, keepdims=True), unordered.argmax(dim, keepdims=True), ordered)


def _median(input, dim, keepdim, skip_nan):
    return _at(input, _median_index(input, dim, skip_nan), dim, keepdim) if input.ndim else _only(input)


def _median_all(input, skip_nan):
    flat = input.reshape(-1)
    return flat[_median_index(flat, 0, skip_nan)[0]] if flat.size else np.array(np.nan, input.dtype)


@op(GENERAL, dtype=SAME, vjp=dict(input=placed_one), backward_name="MedianBackward1")
def median_dim(input, *, dim, keepdim):
    """(value, index) of the lower median along `dim`"""
    return _median(input, dim, keepdim, skip_nan=False)


@op(GENERAL, dtype=SAME, vjp=dict(input=placed_one), backward_name="NanmedianBackward1")
def nanmedian_dim(input, *, dim, keepdim):
    """(value, index) of the lower median along `dim` of what is not NaN"""
    return _median(input, dim, keepdim, skip_nan=True)


@op(GENERAL, dtype=SAME, vjp=dict(input=shared_evenly), backward_name="MedianBackward0")
def median_all(input):
    """z = the lower median of all elements"""
    return _median_all(input, skip_nan=False)


@op(GENERAL, dtype=SAME, vjp=dict(input=shared_evenly), backward_name="NanmedianBackward0")
def nanmedian_all(input):
    """z = the lower median of all elements that are not NaN"""
    return _median_all(input, skip_nan=True)


def _median_of(name: str, over_all, along, input: Tensor, dim, keepdim, numpy_names):
    if numpy_names:
        dim, keepdim = numpy_arguments(name, numpy_names, dim, keepdim)
    if dim is None:
        if input.array.dtype == np.bool_:
            raise NotImplementedError(f"{name}() is not implemented for bool")
        return over_all(input)
    return getattr(results, name)(*along(input, dim=_check_ranked(name, input, dim), keepdim=keepdim))


@function(torch="median")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False, **numpy_names):
    """The median, of an even number of elements the lower of the two middle ones; NaN if any is NaN.

    Over everything: one value, whose gradient equal elements share. Along `dim`: (values, indices).
    """
    return _median_of("median", median_all, median_dim, input, dim, keepdim, numpy_names)


@function(torch="nanmedian")
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, **numpy_names):
    """The median of the elements that are not NaN; see `median`."""
    return _median_of("nanmedian", nanmedian_all, nanmedian_dim, input, dim, keepdim, numpy_names)


@op(GENERAL, dtype=SAME, vjp=dict(input=placed_one), backward_name="ModeBackward0")
def mode_dim(input, *, dim, keepdim):
    """(value, index) of the element that comes most often along `dim`: the smallest such, at its last place"""
    if not input.ndim:
        return _only(input)
    order = np.argsort(input, dim, "stable")
    ranked = input[on_lines(order, dim)]
    lead = (slice(None),) * dim
    position = np.arange(input.shape[dim]).reshape([-1 if d == dim else 1 for d in range(input.ndim)])
    starts = np.ones(input.shape, np.bool_)
    starts[(*lead, slice(1, None))] = ranked[(*lead, slice(1, None))] != ranked[(*lead, slice(None, -1))]
    run_so_far = position - np.maximum.accumulate(np.where(starts, position, 0), dim)
    last_of_longest = run_so_far.argmax(dim, keepdims=True)
    return _at(input, order[on_lines(last_of_longest, dim)], dim, keepdim)


@function(torch="mode")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False, **numpy_names):
    """(values, indices) of the most frequent element along `dim`; of several, the smallest."""
    if numpy_names:
        dim, keepdim = numpy_arguments("mode", numpy_names, dim, keepdim)
    dim = normalize_dim(dim, input.array.ndim)
    if input.array.ndim and not input.array.shape[dim]:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
    return results.mode(*mode_dim(input, dim=dim, keepdim=keepdim))
