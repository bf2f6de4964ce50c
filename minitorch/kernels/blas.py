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
from typing import Any, NamedTuple

import numpy as np

from ..core.op import REGISTRY
from . import crossovers, threads

__all__ = ["dot", "matmul", "matmul_into", "mm", "mv", "one_thread", "pieces"]

PIECE, LARGE_PIECE = 2_000_000, 32_000_000  # multiply-adds: at least for one of two pieces, and for one of four
LEAST, UNIT = 64, 16  # rows or columns of a piece: at least, and a multiple of what the register tiles of BLAS have
MANY = 65536  # matrices of a batch, from which on a table of them would be large
LARGE = 32768  # elements of a result that takes longer to fill with zeros than np.matmul takes to prepare
BOOL = np.dtype(np.bool_)


class Number:
    """A number that a function of a C library tells, read as those are that are variables of it: `.value`."""

    def __init__(self, tell: Callable[[], int]) -> None:
        self.tell = tell

    @property
    def value(self) -> int:
        return self.tell()


class Routines(NamedTuple):
    """Of the OpenBLAS behind NumPy: number and set, its number of threads and what sets it; gemm, the addresses of sgemm and dgemm by
    NumPy's letter of the type; wide, whether they take whole numbers of 64 bits."""

    number: Any
    set: Callable[[int], None]
    gemm: dict[str, int]
    wide: bool


def routines() -> Routines:
    """Any other BLAS is left alone, as if it had one thread.

    threadpoolctl would find the threads too, but takes ten times as long for each call.
    """
    spec = importlib.util.find_spec("numpy._core._multiarray_umath")
    if spec is not None and spec.origin is not None:
        library = ctypes.CDLL(spec.origin)  # looks names up in the libraries it is linked with
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                names = [f"{prefix}openblas_{what}_num_threads{suffix}" for what in ("get", "set")]
                if all(hasattr(library, name) for name in names):
                    get, set_ = (getattr(library, name) for name in names)
                    set_.restype = None
                    gemm = {"f": f"{prefix}cblas_sgemm{suffix}", "d": f"{prefix}cblas_dgemm{suffix}"}
                    addresses = {
                        char: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
                        for char, name in gemm.items()
                        if hasattr(library, name)
                    }
                    number: Any = Number(get)
                    try:  # the variable that `get` returns: reading it takes a third of the time
                        number = ctypes.c_int.in_dll(library, "blas_cpu_number")
                    except ValueError:
                        pass
                    return Routines(number, set_, addresses, bool(suffix))
    return Routines(ctypes.c_int(1), lambda number: None, {}, False)


BLAS = routines()


class OneThread:
    """While a `with` block of any thread runs, BLAS has one thread; after the last one as many as before."""

    def __init__(self) -> None:
        self.lock, self.users, self.before = Lock(), 0, 1
        self.number, self.set = BLAS.number, BLAS.set

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

    def piece(part: slice) -> None:
        if by_rows:
            multiplier(input, mat2)(input[part], mat2, out=out[part])
        else:
            np.matmul(input, mat2[:, part], out=out[:, part])

    with one_thread:
        if rows == 2 and mat2.size >= crossovers.TWO_ROWS:
            for i in range(2):
                np.dot(input[i], mat2, out=out[i])
        elif len(cut) == 1:
            multiplier(input, mat2)(input, mat2, out=out)
        elif columns == 1 or not in_pieces(out, input, mat2, cut[0].stop):
            share_out(piece, cut, threads.threads_for(rows * mat2.size))


def in_pieces(out, input, other, size: int = 0) -> bool:
    """Write a product to `out` in pieces of so many rows or columns, or the products of a batch one by one, by gemm.py.

    False if that cannot be had.
    """
    multiply = compiled()
    if multiply is None or out.dtype.char not in BLAS.gemm or not out.flags.aligned:
        return False
    (input, *left), (other, *right) = readable(input), readable(other)
    table = places(out.shape, input.shape, input.strides, other.shape, other.strides, out.itemsize, size)
    number = threads.threads_for(out.size * input.shape[-1])
    warm_all(number)
    threads.run(
        multiply, number, LIKE[out.dtype.char], BLAS.gemm[out.dtype.char], BLAS.wide, (left[0], right[0]),
        (left[1], right[1], out.shape[-1]), input.shape[-1], (id(input), id(other), id(out)), table,
    )  # fmt: skip
    return True


LIKE = {char: np.empty(1, char) for char in "fd"}


@functools.cache
def compiled() -> Callable | None:
    """The kernel of gemm.py, which is worth loading Numba."""
    try:
        return importlib.import_module(".gemm", __package__).multiply_pieces if BLAS.gemm else None
    except ImportError:
        return None


def readable(array) -> tuple[Any, bool, int]:
    """(the array or a copy, whether its columns lie in rows, the numbers from one row, or column, to the next), as BLAS reads it."""
    rows, columns = array.shape[-2:]
    row, column = array.strides[-2:]
    size = array.itemsize
    if column == size and row >= columns * size and row % size == 0:
        return array, False, row // size
    if row == size and column >= rows * size and column % size == 0:
        return array, True, column // size
    return array.copy(), False, columns


@functools.lru_cache(256)
def places(shape, left_shape, left_strides, right_shape, right_strides, itemsize: int, size: int) -> np.ndarray:
    """The table of `multiply_pieces`: for each piece where those of A, B and C begin, its rows and its columns."""
    *batch, rows, columns = shape
    if size == 0:
        count = prod(batch)
        begin = [
            starts(own[:-2], tuple([step // itemsize for step in strides[:-2]]), tuple(batch))
            for own, strides in ((left_shape, left_strides), (right_shape, right_strides))
        ]
        sizes = np.full(count, rows), np.full(count, columns)
        return np.stack([*begin, np.arange(count) * (rows * columns), *sizes], 1).astype(np.int64)
    start = np.arange(0, max(rows, columns), size)
    zero, count = np.zeros_like(start), np.minimum(size, max(rows, columns) - start)
    if rows >= columns:
        table = start * (left_strides[0] // itemsize), zero, start * columns, count, zero + columns
    else:
        table = zero, start * (right_strides[1] // itemsize), start, zero + rows, count
    return np.stack(table, 1).astype(np.int64)


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
    if work <= crossovers.ALONE_VECTOR or (work < 2 * PIECE and one_thread.always()):
        return input.dot(vec)
    if input.dtype.kind != "f" or input.shape[1] != len(vec):
        return input.dot(vec)
    cut = pieces(len(input), work)
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
