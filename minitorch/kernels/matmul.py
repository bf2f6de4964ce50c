"""matmul in Numba: a register tile, panels of one matrix, blocks for the caches.

    for each block of rows, block of columns (a task)
        for each block of at most K_BLOCK steps along k
            for each panel of B: k_block rows of `width` columns      16 kB: stays in the L1 cache
                for each ROWS rows of A                               96 rows of it: from the L2 cache
                    tile of C += rows of A * panel of B               in registers

                   B  | panel | panel | ..
          k        +------+
      +-------+    |######|              The tile reads one vector row of the panel and ROWS numbers of A per step. So B
    A |###    |    |      |              must lie row by row in the panel, and is rewritten ("packed") for that, once, for all
      |       |    +------+              rows of A. A is read where it is: a number that is broadcast may lie anywhere. Only
      +-------+  C |tile  |              if A is stored by columns, a block of it is moved together first, whole columns at a
                   |      |              time, or each number would be fetched with a cache line of its own.

2 M N K operations in M N K / (ROWS * width) steps, each loading `width` numbers of B from L1 and ROWS of A: so few that the
multiply-adds set the pace. (K. Goto, R. van de Geijn: Anatomy of High-Performance Matrix Multiplication, 2008.)

Small matrices are not packed: if B's rows are runs of memory and there are few of them, or few rows of A that would reuse a
panel, the tile loads its vectors from B itself, and only the columns left over at the end are packed. One or two rows
are left to BLAS, as products with a vector: they run as fast as memory delivers B. Batches of matrices with a few numbers
each are plain loops.
"""

import numpy as np
from numba.extending import register_jitable

from . import threads
from .blas import starts
from .jit import njit, plain, take, take_many
from .moves import copy_run, pack_panel
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS, outer_tile

__all__ = ["matmul", "matmul_into", "outer"]

K_BLOCK = 256
ROW_BLOCK = 16 * ROWS
COLUMN_BLOCK = 512
VECTOR_ROWS = 2  # so few rows are products of a matrix with a vector
FEW_ROWS = 3 * ROWS  # would not pay for packing
FEW_COLUMNS = 96  # whose rows lie so close that a block of them fits the L1 cache as it is
TINY = 125  # multiply-adds, up to which plain loops are faster than tiles
ZERO = np.zeros(1, np.int64)


@njit
def pack(counter, matrix, starts, panels, inner, columns, k_step, column_step, lanes):
    """One thread. Matrices (inner, columns) -> panels (count, ceil(columns / width), inner, width), flat, zero-filled."""
    width = VECTORS * lanes
    blocks = (columns + width - 1) // width
    tasks = len(starts) * blocks
    task = take(counter, tasks)
    while task < tasks:
        first = task % blocks * width
        start, to = starts[task // blocks] + first * column_step, task * inner * width
        pack_panel(panels, to, matrix, start, k_step, column_step, inner, min(width, columns - first), lanes)
        task = take(counter, tasks)


@njit
def multiply(counter, left, left_starts, left_steps, right, right_starts, right_steps, out, sizes, blocks, lanes):
    """One thread. out (batch, rows, columns), flat = the matrices that start at left_starts[b] and right_starts[b].

    left_steps: from row to row and along k; right_steps: along k and from panel to panel. sizes: (rows, inner, columns).
    """
    rows, inner, columns = sizes
    row_block, column_block = blocks
    width = VECTORS * lanes
    row_step, k_step = left_steps
    row_blocks = (rows + row_block - 1) // row_block
    column_blocks = (columns + column_block - 1) // column_block
    pieces = (inner + K_BLOCK - 1) // K_BLOCK
    k_block = (inner + pieces - 1) // pieces
    packed = right_steps[0] == width
    moves = k_step != 1 and rows >= 2 * ROWS and columns > width  # A by columns: blocks of it are moved together
    pitch = row_block + 16 if moves else 0
    moved = np.empty(k_block * pitch, out.dtype)
    spare = np.empty(ROWS * width, out.dtype)
    rest = np.zeros(0 if packed or columns % width == 0 else k_block * width, out.dtype)
    tasks = len(left_starts) * row_blocks * column_blocks
    task = take(counter, tasks)
    while task < tasks:
        b, i0, j0 = task // (row_blocks * column_blocks), task // column_blocks % row_blocks, task % column_blocks
        i0, j0 = i0 * row_block, j0 * column_block
        i1, j1 = min(rows, i0 + row_block), min(columns, j0 + column_block)
        for k0 in range(0, inner, k_block):
            steps = min(k_block, inner - k0)
            if moves:
                for k in range(steps):
                    copy_run(
                        moved, k * pitch, 1, left, left_starts[b] + i0 * row_step + (k0 + k) * k_step, row_step, i1 - i0
                    )
            for j in range(j0, j1, width):
                at_right = right_starts[b] + k0 * right_steps[0] + j // width * right_steps[1]
                whole = j + width <= columns
                use_rest = not packed and not whole
                if use_rest:
                    for k in range(steps):
                        copy_run(rest, k * width, 1, right, at_right + k * right_steps[0], 1, columns - j)
                for i in range(i0, i1, ROWS):
                    if whole:
                        target, to, to_pitch = out, (b * rows + i) * columns + j, columns
                        accumulate = k0 > 0
                    else:  # a tile stores whole vectors: not past the end of a row
                        target, to, to_pitch = spare, 0, width
                        accumulate = False
                    a, at_left, a_row, a_k = left, left_starts[b] + i * row_step + k0 * k_step, row_step, k_step
                    if moves:
                        a, at_left, a_row, a_k = moved, i - i0, 1, pitch
                    panel, at, right_pitch = right, at_right, right_steps[0]
                    if use_rest:
                        panel, at, right_pitch = rest, 0, width
                    outer_tile(
                        target, to, to_pitch, a, at_left, a_row, a_k, panel, at, right_pitch, steps, i1 - i, accumulate
                    )  # fmt: skip
                    if not whole:
                        for r in range(min(ROWS, i1 - i)):
                            to = (b * rows + i + r) * columns + j
                            for s in range(columns - j):
                                out[to + s] = spare[r * width + s] + (out[to + s] if k0 > 0 else 0)
        task = take(counter, tasks)


@register_jitable
def product(left, at_left, left_steps, right, at_right, right_steps, out, to, rows, inner, columns):
    """out[to:] as (rows, columns) = one matrix times another, in plain loops."""
    for i in range(rows):
        for j in range(columns):
            total = left[at_left + i * left_steps[0]] * right[at_right + j * right_steps[1]]
            for k in range(1, inner):
                a = left[at_left + i * left_steps[0] + k * left_steps[1]]
                total += a * right[at_right + k * right_steps[0] + j * right_steps[1]]
            out[to + i * columns + j] = total


@njit
def multiply_tiny(counter, left, left_starts, left_steps, right, right_starts, right_steps, out, sizes, task_size):
    """One thread. As `multiply`, for matrices of a few numbers each; right_steps: along k and the columns.

    The loops of the most common sizes have constant lengths, for the compiler to unroll.
    """
    rows, inner, columns = sizes
    first = take_many(counter, len(left_starts), task_size)
    while first < len(left_starts):
        last = min(first + task_size, len(left_starts))
        if rows == inner == columns == 2:
            for b in range(first, last):
                product(left, left_starts[b], left_steps, right, right_starts[b], right_steps, out, b * 4, 2, 2, 2)
        elif rows == inner == columns == 3:
            for b in range(first, last):
                product(left, left_starts[b], left_steps, right, right_starts[b], right_steps, out, b * 9, 3, 3, 3)
        elif rows == inner == columns == 4:
            for b in range(first, last):
                product(left, left_starts[b], left_steps, right, right_starts[b], right_steps, out, b * 16, 4, 4, 4)
        else:
            for b in range(first, last):
                to = b * rows * columns
                product(
                    left, left_starts[b], left_steps, right, right_starts[b], right_steps, out, to, rows, inner, columns
                )
        first = take_many(counter, len(left_starts), task_size)


@njit
def multiply_each(counter, left, right, out, rows):
    """One thread. out (N, M) = left (N) times right (M); `rows` of them are a task."""
    first = take_many(counter, len(left), rows)
    while first < len(left):
        for i in range(first, min(len(left), first + rows)):
            line, factor = out[i], left[i]
            for j in range(len(right)):
                line[j] = factor * right[j]
        first = take_many(counter, len(left), rows)


def outer(input, mat2):
    """(n, 1) times (1, p). NumPy's broadcasting takes three times as long: it does not see that one factor stays."""
    out = np.empty((len(input), mat2.shape[1]), input.dtype)
    rows = max(1, 16384 // max(1, mat2.shape[1]))
    threads.run(
        multiply_each, threads.threads_for(10 * out.size), plain(input).reshape(-1), plain(mat2).reshape(-1), out, rows
    )  # fmt: skip
    return out


def in_memory_order(array):
    """The numbers of an array as a flat run of memory, and the steps along its dimensions; a copy if they lie apart."""
    if not array.flags.carray:
        swapped = array.mT
        if swapped.flags.carray:
            return swapped.reshape(-1), (*swapped.strides[:-2], swapped.strides[-1], swapped.strides[-2])
        order = np.argsort(array.strides)[::-1]
        permuted = array.transpose(order)
        if permuted.flags.carray:
            return permuted.reshape(-1), array.strides
        array = plain(array)
    return array.reshape(-1), array.strides


def starts_of(shape, strides, batch, itemsize):
    """Where each matrix of the batch starts, and the steps within one, in elements."""
    *steps, row_step, column_step = [s // itemsize for s in strides]
    return starts(shape[:-2], tuple(steps), batch), row_step, column_step


@accelerates("dot")
@accelerates("mv")
@accelerates("mm")
@accelerates("matmul")
def matmul(input, other):
    """The product of matrices (.., m, k) and (.., k, n) over broadcast batches; 1-d operands as in np.matmul."""
    if input.ndim == 1 or other.ndim == 1:
        product = matmul(np.atleast_2d(input), other[:, None] if other.ndim == 1 else other)
        return product[..., 0] if input.ndim > 1 else product[..., 0, :] if other.ndim > 1 else product[0, 0]
    rows, inner = input.shape[-2:]
    columns = other.shape[-1]
    if other.shape[-2] != inner:
        raise ValueError(f"matmul: shapes {input.shape} and {other.shape} do not fit")
    batch = ()
    if input.ndim > 2 or other.ndim > 2:
        batch = np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    out = np.empty((*batch, rows, columns), input.dtype)
    matmul_into(out, input, other)
    return out


def matmul_into(out, input, other) -> None:
    """Write the product to `out`, a contiguous array of its shape."""
    *batch, rows, columns = out.shape
    batch, inner = tuple(batch), input.shape[-1]
    if out.size == 0 or inner == 0:
        out.fill(0)
        return
    if rows <= VECTOR_ROWS and not batch:
        for i in range(rows):
            np.dot(input[i], other, out=out[i])
        return
    itemsize = input.itemsize
    lanes = BITS // (8 * itemsize)
    width = VECTORS * lanes
    left, strides = in_memory_order(input)
    left_starts, *left_steps = starts_of(input.shape, strides, batch, itemsize)
    right, strides = in_memory_order(other)
    right_starts, k_step, column_step = starts_of(other.shape, strides, batch, itemsize)
    if batch and rows * inner * columns <= TINY:
        threads.run(
            multiply_tiny, threads.threads_for(10 * out.size * inner), left, left_starts, tuple(left_steps), right,
            right_starts, (k_step, column_step), out.reshape(-1), (rows, inner, columns), 1024,
        )  # fmt: skip
        return
    if column_step == 1 and (rows <= FEW_ROWS or columns <= FEW_COLUMNS):
        right_steps = (k_step, width)
    else:
        panel = -(-columns // width) * width * inner
        if other.ndim == 2:
            right_starts = ZERO
        panels = np.empty(len(right_starts) * panel, right.dtype)
        threads.run(
            pack, threads.threads_for(15 * other.size), right, right_starts, panels, inner, columns, k_step, column_step, lanes
        )  # fmt: skip
        right, right_steps = panels, (width, inner * width)
        right_starts = np.arange(len(right_starts)) * panel if other.ndim > 2 else np.zeros(len(left_starts), np.int64)
    threads.run(
        multiply, threads.threads_for(out.size * inner), left, left_starts, tuple(left_steps), right, right_starts,
        right_steps, out.reshape(-1), (rows, inner, columns), (ROW_BLOCK, COLUMN_BLOCK // width * width), lanes,
    )  # fmt: skip
