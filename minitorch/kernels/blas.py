"""Matrix products by NumPy's BLAS: one call for small ones, pieces for large ones, in the threads of threads.py.

A BLAS that has threads cuts a product by their number, and rounds differently at the seams, so that another machine gives
other last digits. Here BLAS is held to one thread, and a large product is cut where its shape says, however many threads
there are to take the pieces:

         A       B           C                      A        B           C
       +---+  +------+    +------+                +---+  +---+---+   +---+---+
       |   |  |      |    |      |  piece 0       |   |  |   |   |   | 0 | 1 |     more columns than rows:
       +---+  +------+    +------+                +---+  +---+---+   +---+---+     B and C are cut
       |   |              |      |  piece 1
       +---+              +------+

2 M N K operations on M K + K N + M N numbers. For each piece BLAS reads, and packs into panels, the whole of the other matrix. So
the longer side of C is cut, and each piece has at least LEAST rows or columns to make use of that. gemm.py calls BLAS for the pieces
without the interpreter, where BLAS is the OpenBLAS that NumPy brings; for any other, each piece is a call of np.matmul.
A product with a vector is cut likewise, between rows of its matrix that lie one after the other.

Three kinds of products are not BLAS's own: an outer product, which it would first fill with zeros; two rows, for which it
would copy all of B, as two products with a vector; and, in matmul.py, batches of tiny matrices.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.op import REGISTRY
from . import crossovers, threads
from .openblas import BLAS, one_thread, warm_all

__all__ = ["dot", "matmul", "matmul_into", "mm", "mv", "one_thread", "product"]

# Multiply-adds of four bytes: at least for one of two pieces, and for one of four. Those of eight take twice as long. Two smaller
# pieces would still gain from a second thread, but cost one that is alone more than a tenth of the product.
PIECE, LARGE_PIECE = 1_100_000, 32_000_000
LEAST, UNIT = 40, 8  # rows or columns of a piece: at least, and a multiple of what the register tiles of BLAS have
MANY = 65536  # matrices of a batch, from which on a table of them would be large
LARGE = 32768  # elements of a result that takes longer to fill with zeros than np.matmul takes to prepare
BOOL = np.dtype(np.bool_)


def share_out(piece: Callable, parts: Sequence, number: int) -> None:
    """piece(part) for all parts, in so many threads."""
    warm_all(number)
    threads.each(piece, parts, number)


@functools.lru_cache(1024)
def cuts(rows: int, columns: int, work: int) -> tuple[slice, ...]:
    """Slices of the longer side of a result, of one length but the last; work: multiply-adds times bytes of a number.

    They depend on nothing else.
    """
    count = max(rows, columns)
    work //= 4
    number = min(work // PIECE, count // LEAST)
    number = 1 if number < 2 else 2 if number < 4 or work < 4 * LARGE_PIECE else 4
    step = -(-count // (number * UNIT)) * UNIT if number > 1 else max(count, 1)
    return tuple(slice(i, min(i + step, count)) for i in range(0, count, step))


def mm(input, mat2):
    """As the reference: (n, m) times (m, p)."""
    rows, inner, size = len(input), len(mat2), mat2.size
    work = rows * size
    if work <= crossovers.ALONE and ((rows > 2 and size > inner) or work <= crossovers.ALONE_VECTOR):
        return REGISTRY["mm"].reference(input, mat2) if input.dtype is BOOL else input.dot(mat2)
    dtype = input.dtype
    if dtype.kind != "f" or input.shape[1] != inner:
        return REGISTRY["mm"].reference(input, mat2)
    if inner == 1:
        return outer()(input, mat2) if dtype.char in "fd" else np.multiply(input, mat2)
    columns = size // inner
    if rows != 2 and len(cuts(rows, columns, work * dtype.itemsize)) == 1:
        multiply = np.dot if rows * columns < LARGE else multiplier(input, mat2)
        return one_thread.call(multiply, input, mat2)
    out = np.empty((rows, columns), dtype)
    product(out, input, mat2)
    return out


@functools.cache
def outer() -> Callable:
    """The outer product of large vectors, which is worth loading Numba."""
    try:
        return importlib.import_module(".matmul", __package__).outer
    except ImportError:
        return np.multiply


def multiplier(input, mat2) -> Callable:
    """np.matmul or np.dot. The latter first fills the result with zeros, and copies a slice of a transposed matrix; the
    former multiplies matrices without BLAS that have gaps both between rows and columns."""
    return np.matmul if input.flags.forc and mat2.flags.forc else np.dot


def product(out, input, mat2) -> None:
    """Write the product of two matrices to `out`, a contiguous matrix."""
    rows, columns = out.shape
    cut = cuts(rows, columns, rows * mat2.size * out.itemsize)

    def piece(part: slice) -> None:
        if rows >= columns:
            multiplier(input, mat2)(input[part], mat2, out=out[part])
        else:
            np.matmul(input, mat2[:, part], out=out[:, part])

    with one_thread:
        if rows == 2 and mat2.size >= crossovers.TWO_ROWS:
            for i in range(2):
                np.dot(input[i], mat2, out=out[i])
        elif len(cut) == 1:
            multiplier(input, mat2)(input, mat2, out=out)
        elif rows == 1:
            product_with_vector(out[0], mat2.T, input[0], cut)
        elif columns == 1:
            product_with_vector(out[:, 0], input, mat2[:, 0], cut)
        elif not in_pieces(out, input, mat2, cut[0].stop):
            share_out(piece, cut, threads.threads_for(rows * mat2.size))


def in_pieces(out, input, other, size: int = 0) -> bool:
    """Write a product to `out` in pieces of so many rows or columns, or the products of a batch one by one, by gemm.py.

    False if that cannot be had.
    """
    kernels, char = compiled(), out.dtype.char
    if kernels is None or char not in BLAS.gemm or not out.flags.aligned:
        return False
    found = places(out.shape, input.shape, input.strides, other.shape, other.strides, char, size)
    if found is None:
        return in_pieces(out, readable(input), readable(other), size)
    form, table, worth = found
    number = min(threads.get_num_threads(), worth)
    warm_all(number)
    threads.run(kernels.multiply_pieces, number, LIKE[char], id(input), id(other), id(out), form, table)
    return True


LIKE = {char: np.empty(1, char) for char in "fd"}


@functools.cache
def compiled() -> Any:
    """The kernels of gemm.py, which are worth loading Numba."""
    try:
        return importlib.import_module(".gemm", __package__) if BLAS.gemm else None
    except ImportError:
        return None


def layout(shape, strides, itemsize: int) -> tuple[bool, int] | None:
    """(whether its columns lie in rows, the numbers from one row, or column, to the next) of a matrix that BLAS can read."""
    (rows, columns), (row, column) = shape[-2:], strides[-2:]
    if column == itemsize and row >= columns * itemsize and row % itemsize == 0:
        return False, row // itemsize
    if row == itemsize and column >= rows * itemsize and column % itemsize == 0:
        return True, column // itemsize
    return None


def readable(array):
    """The array, or a copy, as BLAS reads it."""
    return array if layout(array.shape, array.strides, array.itemsize) else array.copy()


@functools.lru_cache(256)
def places(shape, left_shape, left_strides, right_shape, right_strides, char: str, size: int):
    """What `multiply_pieces` is told of the matrices: (form, for each piece where those of A, B and C begin, its rows and its columns;
    how many threads that is worth). None if BLAS cannot read one of them."""
    itemsize = np.dtype(char).itemsize
    left, right = layout(left_shape, left_strides, itemsize), layout(right_shape, right_strides, itemsize)
    if left is None or right is None:
        return None
    *batch, rows, columns = shape
    inner = left_shape[-1]
    if size == 0:
        number = prod(batch)
        begin = [
            starts(own[:-2], tuple([step // itemsize for step in strides[:-2]]), tuple(batch))
            for own, strides in ((left_shape, left_strides), (right_shape, right_strides))
        ]
        table = *begin, np.arange(number) * (rows * columns), np.full(number, rows), np.full(number, columns)
        worth = int(number * rows * columns * inner * itemsize / (4 * threads.WORTH))
    else:
        start = np.arange(0, max(rows, columns), size)
        zero, count = np.zeros_like(start), np.minimum(size, max(rows, columns) - start)
        if rows >= columns:
            table = start * (left_strides[0] // itemsize), zero, start * columns, count, zero + columns
        else:
            table = zero, start * (right_strides[1] // itemsize), start, zero + rows, count
        worth = len(start)
    form = np.array([BLAS.gemm[char], BLAS.wide, left[0], right[0], left[1], right[1], columns, inner], np.int64)
    return form, np.stack(table, 1).astype(np.int64), max(worth, 1)


@functools.lru_cache(256)
def starts(shape: tuple[int, ...], steps: tuple[int, ...], batch: tuple[int, ...]) -> np.ndarray:
    """Where each matrix of a batch starts, the leading dimensions (shape, steps) being broadcast to `batch`."""
    total = np.zeros(1, np.int64)
    for n, step in zip(shape, steps, strict=True):
        total = np.add.outer(total, step * np.arange(n))
    return np.broadcast_to(total.reshape(shape), batch).ravel()


def mv(input, vec):
    """As the reference: (n, m) times (m,)."""
    work = input.size
    if work <= crossovers.ALONE_VECTOR or input.dtype.kind != "f" or input.shape[1] != len(vec):
        return input.dot(vec)
    cut = cuts(len(input), 1, work * input.itemsize)
    if len(cut) == 1:
        return one_thread.call(np.dot, input, vec)
    out = np.empty(len(input), input.dtype)
    one_thread.call(product_with_vector, out, input, vec, cut)
    return out


def product_with_vector(out, input, vec, cut: Sequence[slice]) -> None:
    """Write the product of a matrix and a vector to `out`, in pieces if that makes each a run of memory."""
    if input.strides[0] < input.strides[1]:
        np.dot(input, vec, out=out)
        return
    kernels, char = compiled(), out.dtype.char
    number = min(threads.get_num_threads(), len(cut))
    if kernels is None or char not in BLAS.gemv:
        share_out(lambda part: np.dot(input[part], vec, out=out[part]), cut, number)
        return
    found = vector_places(input.shape, input.strides, *vec.strides, char, cut[0].stop)
    if found is None:
        product_with_vector(out, readable(input), vec.copy(), cut)
        return
    threads.run(kernels.multiply_vector, number, LIKE[char], id(input), id(vec), id(out), *found)


@functools.lru_cache(256)
def vector_places(shape, strides, step: int, char: str, size: int):
    """The same for `multiply_vector`: (form, for each piece where those of A and y begin, and its elements)."""
    itemsize = np.dtype(char).itemsize
    left = layout(shape, strides, itemsize)
    if left is None or step <= 0 or step % itemsize:
        return None
    start = np.arange(0, shape[0], size)
    table = start * (strides[0] // itemsize), start, np.minimum(size, shape[0] - start)
    form = np.array([BLAS.gemv[char], BLAS.wide, *left, step // itemsize, shape[1]], np.int64)
    return form, np.stack(table, 1).astype(np.int64)


def dot(input, tensor):
    """As the reference: (n,) times (n,)."""
    if input.size <= crossovers.ALONE_VECTOR:
        return input.dot(tensor)
    return one_thread.call(np.dot, input, tensor)


def matmul(input, other):
    """As the reference: batches of matrices."""
    if other.ndim == 2:
        if input.ndim == 2:
            return mm(input, other)
        *batch, m = input.shape
        return mm(input.reshape(prod(batch), m), other).reshape(*batch, other.shape[1])
    if in_one_call(input, other):
        return np.matmul(input, other)
    batch = np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    out = np.empty((*batch, input.shape[-2], other.shape[-1]), input.dtype)
    matmul_into(out, input, other)
    return out


def in_one_call(input, other) -> bool:
    """Whether np.matmul may do all of a batch: it is small, or no product of floats that fit each other."""
    rows, (inner, columns) = input.shape[-2], other.shape[-2:]
    work = max(input.size * columns, other.size * rows)
    limit = crossovers.ALONE if rows > 1 < columns else crossovers.ALONE_VECTOR
    if rows * inner * columns <= limit and (work < 2 * threads.WORTH or threads.get_num_threads() == 1):
        return True
    return input.dtype.kind != "f" or input.shape[-1] != inner


def matmul_into(out, input, other) -> None:
    """Write the product to `out`, a contiguous batch of its shape."""
    *batch, rows, columns = out.shape
    count, inner = prod(batch), input.shape[-1]
    if count == 1:
        product(out.reshape(rows, columns), input.reshape(rows, inner), other.reshape(inner, columns))
        return
    if min(rows, inner, columns) > 1 and count < MANY:
        with one_thread:
            if in_pieces(out, input, other):
                return
    number = threads.threads_for(count * rows * inner * columns)
    axis = int(np.argmax(batch)) - out.ndim
    step = -(-out.shape[axis] // (4 * number)) if number > 1 else max(1, out.shape[axis])

    def piece(start: int) -> None:
        part = slice(start, start + step)
        np.matmul(along(input, axis, part), along(other, axis, part), out=along(out, axis, part))

    with one_thread:  # every matrix is a product of its own: here the cut changes no bit
        share_out(piece, range(0, out.shape[axis], step), number)


def along(array, axis: int, part: slice):
    """array[part] along an axis counted from the end; the whole array where it is broadcast along it."""
    if -axis > array.ndim or array.shape[axis] == 1:
        return array
    return array[(..., part, *[slice(None)] * (-axis - 1))]
