"""matmul in Numba: panels for the register tile, blocks for the caches.

One register tile (simd.py) reads ROWS values of a column of A and a few vectors of a row of B per step. So both
matrices are first rewritten ("packed") in the order in which tiles read them:

    A -> panels of ROWS rows:     for each panel, for each k: the ROWS values A[rows, k]
    B -> panels of a few vectors: for each panel, for each k: the values B[k, columns]

and then every tile runs through memory in a straight line, whatever the strides of A and B were. The loops around the tile
keep a panel of B (K_BLOCK rows of it) in the L1 cache, K_BLOCK columns of ROW_BLOCK rows of A in the L2 cache.

    for each block of rows, block of columns (a task)
        for each block of K_BLOCK steps along k
            for each panel of B in the block of columns         stays in L1
                for each panel of A in the block of rows        comes from L2
                    tile of C += panel of A * panel of B        in registers

(K. Goto, R. van de Geijn: Anatomy of High-Performance Matrix Multiplication, 2008.)
"""

import numpy as np

from . import threads
from .jit import njit, plain, take
from .moves import copy_vectors
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS, outer_tile

__all__ = ["matmul"]

K_BLOCK = 256
ROW_BLOCK = 16 * ROWS
COLUMN_BLOCK = 512


@njit
def pack(counter, matrix, panels, count, rows, columns, row_step, column_step, width):
    """One thread. `count` matrices (rows, columns) -> panels (count, ceil(rows / width), columns, width), zero-filled."""
    blocks = (rows + width - 1) // width
    task = take(counter)
    while task < count * blocks:
        first = task % blocks * width
        valid = min(width, rows - first)
        start = task // blocks * rows * columns + first * row_step
        to = task * columns * width
        if row_step == 1 and valid == width > ROWS:
            for k in range(columns):
                copy_vectors(panels, to + k * width, matrix, start + k * column_step)
        elif row_step == 1 and valid == width:
            for k in range(columns):
                for r in range(ROWS):
                    panels[to + k * ROWS + r] = matrix[start + k * column_step + r]
        else:
            for k0 in range(0, columns, 64):  # short stretches, so that what is written stays in the L1 cache
                k1 = min(columns, k0 + 64)
                for r in range(valid):
                    for k in range(k0, k1):
                        panels[to + k * width + r] = matrix[start + r * row_step + k * column_step]
                for r in range(valid, width):
                    for k in range(k0, k1):
                        panels[to + k * width + r] = 0
        task = take(counter)


@njit
def multiply(counter, left, right, out, left_index, right_index, rows, inner, columns, width, row_block, column_block):
    """One thread. out (batch, rows, columns), flat = left panels[left_index[b]] times right panels[right_index[b]]."""
    spare = np.empty(ROWS * width, out.dtype)
    left_size = (rows + ROWS - 1) // ROWS * ROWS * inner
    right_size = (columns + width - 1) // width * width * inner
    row_blocks = (rows + row_block - 1) // row_block
    column_blocks = (columns + column_block - 1) // column_block
    task = take(counter)
    while task < len(left_index) * row_blocks * column_blocks:
        b, i0, j0 = task // (row_blocks * column_blocks), task // column_blocks % row_blocks, task % column_blocks
        i0, j0 = i0 * row_block, j0 * column_block
        i1, j1 = min(rows, i0 + row_block), min(columns, j0 + column_block)
        left_start, right_start = left_index[b] * left_size, right_index[b] * right_size
        for k0 in range(0, inner, K_BLOCK):
            steps = min(K_BLOCK, inner - k0)
            for j in range(j0, j1, width):
                at_right = right_start + j * inner + k0 * width
                for i in range(i0, i1, ROWS):
                    at_left = left_start + i * inner + k0 * ROWS
                    to = (b * rows + i) * columns + j
                    if j + width <= columns:
                        outer_tile(
                            out, to, columns, left, at_left, 1, ROWS, right, at_right, width, steps, rows - i, k0 > 0
                        )
                    else:  # a tile stores whole vectors: not past the end of a row
                        outer_tile(spare, 0, width, left, at_left, 1, ROWS, right, at_right, width, steps, ROWS, False)
                        for r in range(min(ROWS, rows - i)):
                            for s in range(columns - j):
                                previous = out[to + r * columns + s] if k0 > 0 else 0
                                out[to + r * columns + s] = previous + spare[r * width + s]
        task = take(counter)


def packed(array, transpose, width, size):
    """The panels of all matrices in `array` (.., m, n), along m, or along n for the transpose."""
    matrix = array.mT if transpose else array
    rows, columns = matrix.shape[-2:]
    swapped = matrix.mT
    if swapped.flags.carray and not matrix.flags.carray:
        flat, steps = swapped.reshape(-1), (1, rows)
    else:
        flat, steps = plain(matrix).reshape(-1), (columns, 1)
    count = matrix.size // (rows * columns)
    panels = np.empty(count * -(-rows // width) * width * columns, array.dtype)
    threads.run(pack, threads.threads_for(4 * array.size), flat, panels, count, rows, columns, *steps, width)
    return panels


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
    batch = np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    out = np.empty((*batch, rows, columns), input.dtype)
    if out.size == 0 or inner == 0:
        out.fill(0)
        return out
    width = VECTORS * BITS // (8 * input.itemsize)
    left, right = packed(input, False, ROWS, None), packed(other, True, width, None)
    index = [
        np.broadcast_to(np.arange(a.size // (a.shape[-1] * a.shape[-2])).reshape(a.shape[:-2]), batch).ravel()
        for a in (input, other)
    ]
    work = out.size * inner
    threads.run(
        multiply, threads.threads_for(work), left, right, out.reshape(-1), *index, rows, inner, columns, width,
        ROW_BLOCK, COLUMN_BLOCK // width * width,
    )  # fmt: skip
    return out
