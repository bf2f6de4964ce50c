"""Rows and elements by index: added to where the indices point, and read from there along a dimension.

    add_rows       table[index[j], :] += g[j, :]                      the gradient of an embedding
    add_at         z[.., index[j], ..] += values[.., j, ..]           the gradient of x[index] and of index_select
    gather_at      z[.., j, ..] = x[.., index[.., j, ..], ..]
    scatter_zeros  z[.., index[.., j, ..], ..] += values[.., j, ..]   the gradient of gather

NumPy adds at repeated places one element at a time (np.add.at), or sorts the indices first. A compiled loop just adds, one
row after the other, and so in the same order every time: one addition a number, three numbers of traffic.
"""

from math import prod

import numpy as np

from ..core.op import REGISTRY
from .jit import njit, plain
from .registry import accelerates

__all__ = ["add_at", "add_rows", "gather_at", "scatter_zeros"]


@njit
def add_to_rows(out, index, x):
    """out (a, n, d), index (m) from -n to n - 1, x (a, m, d); False where an index lies outside."""
    good, n = True, out.shape[1]
    for a in range(len(out)):
        for j in range(len(index)):
            at = index[j] + n if index[j] < 0 else index[j]
            if 0 <= at < n:
                target, row = out[a, at], x[a, j]
                for i in range(len(row)):
                    target[i] += row[i]
            else:
                good = False
    return good


@njit
def read_rows(table, index, out):
    """out[a, j] = table[a, index[a, j]]; table (>= a, n), the others (a, m); False where an index lies outside."""
    good, n = True, np.uint64(table.shape[1])
    for a in range(len(index)):
        line, places, target = table[a], index[a], out[a]
        for j in range(len(places)):
            at = np.uint64(places[j])  # a negative one is a huge number then: one comparison for both ends
            if at < n:
                target[j] = line[at]
            else:
                good = False
    return good


@njit
def read_columns(table, index, out):
    """out[a, j, i] = table[a, index[a, j, i], i]; table (>= a, n, d), the others (a, m, d); False as above."""
    good, n = True, np.uint64(table.shape[1])
    for a in range(index.shape[0]):
        for j in range(index.shape[1]):
            places, target = index[a, j], out[a, j]
            for i in range(len(places)):
                at = np.uint64(places[i])
                if at < n:
                    target[i] = table[a, at, i]
                else:
                    good = False
    return good


@njit
def add_in_rows(table, index, values):
    """table[a, index[a, j]] += values[a, j], else as `read_rows`."""
    good, n = True, np.uint64(table.shape[1])
    for a in range(len(index)):
        line, places, source = table[a], index[a], values[a]
        for j in range(len(places)):
            at = np.uint64(places[j])
            if at < n:
                line[at] += source[j]
            else:
                good = False
    return good


@njit
def add_in_columns(table, index, values):
    """table[a, index[a, j, i], i] += values[a, j, i], else as `read_columns`."""
    good, n = True, np.uint64(table.shape[1])
    for a in range(index.shape[0]):
        for j in range(index.shape[1]):
            places, source = index[a, j], values[a, j]
            for i in range(len(places)):
                at = np.uint64(places[i])
                if at < n:
                    table[a, at, i] += source[i]
                else:
                    good = False
    return good


def integers(index):
    return plain(index.astype(np.int64, copy=False))


def checked(good, name, n):
    if not good:
        raise IndexError(f"{name}: an index is out of bounds for a dimension of size {n}")


@accelerates("add_rows")
def add_rows(grad, input, *, size, coefficient):
    """table[i] = the sum of grad[j] (times coefficient[j]) over all j with input[j] = i; the table has shape `size`."""
    if coefficient is not None:
        grad = grad * coefficient.astype(grad.dtype).reshape(*coefficient.shape, *[1] * (len(size) - 1))
    out = np.zeros(size, grad.dtype)
    if grad.size:
        rows = plain(grad).reshape(1, input.size, -1)
        checked(add_to_rows(out.reshape(1, len(out), -1), integers(input).reshape(-1), rows), "add_rows", len(out))
    return out


@accelerates("add_at")
def add_at(values, *indices, size):
    """Zeros of shape `size` with `values` added at the places that the index tensors name."""
    used = [d for d, index in enumerate(indices) if index is not None]
    index, d = indices[used[0]], used[0]
    if len(used) > 1 or index.dtype.kind != "i" or 0 in size:
        return REGISTRY["add_at"].reference(values, *indices, size=size)
    out = np.zeros(size, values.dtype)
    shape = (prod(size[:d]), index.size, prod(size[d + 1 :]))
    rows = plain(np.broadcast_to(values, (*size[:d], *index.shape, *size[d + 1 :]))).reshape(shape)
    table = out.reshape(shape[0], size[d], shape[2])
    checked(add_to_rows(table, integers(index).reshape(-1), rows), "add_at", size[d])
    return out


def as_lines(size, index, dim):
    """The table and the index as (a, n) and (a, m), or (a, n, d) and (a, m, d), indexed along n; None where they do not fit:
    the index may leave out whole first slices of the table, but no others."""
    outer, inner = index.shape[:dim], size[dim + 1 :]
    if index.shape[dim + 1 :] != inner or outer[1:] != size[1:dim] or not index.size:
        return None
    across = () if prod(inner) == 1 else (prod(inner),)
    return (prod(size[:dim]), size[dim], *across), (prod(outer), index.shape[dim], *across)


@accelerates("gather_at")
def gather_at(input, index, *, dim):
    """z[i][j] = input[index[i][j]][j]: the elements that `index` names along a dimension."""
    lines = as_lines(input.shape, index, dim)
    if lines is None:
        return REGISTRY["gather_at"].reference(input, index, dim=dim)
    out = np.empty(index.shape, input.dtype)
    read = read_rows if len(lines[0]) == 2 else read_columns
    good = read(plain(input).reshape(lines[0]), integers(index).reshape(lines[1]), out.reshape(lines[1]))
    checked(good, "gather", input.shape[dim])
    return out


@accelerates("scatter_zeros")
def scatter_zeros(values, index, *, dim, size):
    """z[index[i][j]][j] += values[i][j], starting from zeros of shape `size`."""
    lines = as_lines(size, index, dim)
    if lines is None:
        return REGISTRY["scatter_zeros"].reference(values, index, dim=dim, size=size)
    out = np.zeros(size, values.dtype)
    add = add_in_rows if len(lines[0]) == 2 else add_in_columns
    checked(
        add(out.reshape(lines[0]), integers(index).reshape(lines[1]), plain(values).reshape(lines[1])),
        "scatter",
        size[dim],
    )
    return out
