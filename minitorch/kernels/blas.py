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
the longer side of C is cut, and each piece has at least LEAST rows or columns to make use of that.

Three kinds of products are not BLAS's own: an outer product, which it would first fill with zeros; two rows, for which it
would copy all of B, as two products with a vector; and, in matmul.py, batches of tiny matrices.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from ..core.op import REGISTRY
from . import crossovers, threads

__all__ = ["dot", "matmul", "matmul_into", "mm", "mv", "one_thread", "pieces"]

PIECES = 4  # at most
PIECE = 8_000_000  # multiply-adds at least
LEAST, UNIT = 192, 48  # rows or columns of a piece: at least, and a multiple of what the register tiles of BLAS have
LARGE = 32768  # elements of a result that takes longer to fill with zeros than np.matmul takes to prepare
BOOL = np.dtype(np.bool_)


class Number:
    """A number that a function of a C library tells, read as those are that are variables of it: `.value`."""

    def __init__(self, tell: Callable[[], int]) -> None:
        self.tell = tell

    @property
    def value(self) -> int:
        return self.tell()


def blas_threads() -> tuple[Any, Callable[[int], None]]:
    """(number, set): the number of threads of the OpenBLAS behind NumPy, and what sets it. Any other BLAS is left alone,
    as if it had one.

    threadpoolctl would find them too, but takes ten times as long for each call.
    """
    spec = importlib.util.find_spec("numpy._core._multiarray_umath")
    if spec is None or spec.origin is None:
        return ctypes.c_int(1), lambda number: None
    library = ctypes.CDLL(spec.origin)  # looks names up in the libraries it is linked with
    for prefix in ("scipy_openblas_", "openblas_"):
        for suffix in ("64_", ""):
            names = [f"{prefix}{what}_num_threads{suffix}" for what in ("get", "set")]
            if all(hasattr(library, name) for name in names):
                get, set_ = (getattr(library, name) for name in names)
                set_.restype = None
                try:  # the variable that `get` returns: reading it takes a third of the time
                    return ctypes.c_int.in_dll(library, "blas_cpu_number"), set_
                except ValueError:
                    return Number(get), set_
    return ctypes.c_int(1), lambda number: None


class OneThread:
    """While a `with` block of any thread runs, BLAS has one thread; after the last one as many as before."""

    def __init__(self) -> None:
        self.lock, self.users, self.before = Lock(), 0, 1
        self.number, self.set = blas_threads()

    def always(self) -> bool:
        """Whether BLAS has one thread anyway."""
        return self.number.value == 1 and self.users == 0

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.before = self.number.value
                if self.before > 1:  # setting it takes 3 us
                    self.set(1)
            self.users += 1

    def __exit__(self, *exception) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.before > 1:
                self.set(self.before)


one_thread = OneThread()


def warm(item: int = 0) -> None:
    """Touch OpenBLAS's work buffer once (1 ms): each of its concurrent calls has one.

    Until the first product of a certain size has written to all of it, float32 products of some 30 to 350 rows run two or three
    times slower on AVX2 machines (measured with OpenBLAS 0.3.31): what is fetched ahead lies in pages that do not exist yet.
    """
    np.dot(np.zeros((384, 64), np.float32), np.zeros((64, 384), np.float32))


@functools.cache
def warm_all(number: int) -> None:
    threads.each(warm, range(number), number)


def share_out(piece: Callable, parts: Sequence, number: int) -> None:
    """piece(part) for all parts, in so many threads."""
    warm_all(number)
    threads.each(piece, parts, number)


warm()


@functools.lru_cache(1024)
def pieces(count: int, work: int) -> tuple[slice, ...]:
    """Slices of `count` rows or columns, of one length but the last. They depend on nothing else."""
    number = max(1, min(PIECES, work // PIECE, count // LEAST))
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
    if rows != 2 and (work < 2 * PIECE or len(pieces(max(rows, size // inner), work)) == 1) and one_thread.always():
        return input.dot(mat2) if rows * size < LARGE * inner else multiplier(input, mat2)(input, mat2)
    out = np.empty((rows, size // inner), dtype)
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
    by_rows = rows >= columns
    cut = pieces(rows if by_rows else columns, rows * mat2.size)
    multiply = multiplier(input, mat2)

    def piece(part: slice) -> None:
        if by_rows:
            multiply(input[part], mat2, out=out[part])
        else:
            np.matmul(input, mat2[:, part], out=out[:, part])

    with one_thread:
        if rows == 2 and mat2.size >= crossovers.TWO_ROWS:
            for i in range(2):
                np.dot(input[i], mat2, out=out[i])
        elif len(cut) == 1:
            multiply(input, mat2, out=out)
        else:
            share_out(piece, cut, threads.threads_for(rows * mat2.size))


def mv(input, vec):
    """As the reference: (n, m) times (m,)."""
    work = input.size
    if work <= crossovers.ALONE_VECTOR or (4 * work < 2 * PIECE and one_thread.always()):
        return input.dot(vec)
    if input.dtype.kind != "f" or input.shape[1] != len(vec):
        return input.dot(vec)
    cut = pieces(len(input), 4 * work)  # memory sets the pace: a thread is worth waking earlier
    if len(cut) == 1 and one_thread.always():
        return input.dot(vec)
    out = np.empty(len(input), input.dtype)
    with one_thread:
        share_out(lambda part: np.dot(input[part], vec, out=out[part]), cut, threads.threads_for(4 * work))
    return out


def dot(input, tensor):
    """As the reference: (n,) times (n,)."""
    if input.size <= crossovers.ALONE_VECTOR or one_thread.always():
        return input.dot(tensor)
    with one_thread:
        return input.dot(tensor)


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
    if rows * inner * columns <= limit and (work < 2 * PIECE or threads.get_num_threads() == 1):
        return True
    return input.dtype.kind != "f" or input.shape[-1] != inner


def matmul_into(out, input, other) -> None:
    """Write the product to `out`, a contiguous batch of its shape."""
    *batch, rows, columns = out.shape
    count, inner = prod(batch), input.shape[-1]
    if count == 1:
        product(out.reshape(rows, columns), input.reshape(rows, inner), other.reshape(inner, columns))
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
