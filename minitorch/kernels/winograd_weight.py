"""The gradient of a 3 x 3 filter in Winograd's space: the adjoint of winograd.py, step by step.

Forward, Y = A' [sum over c of (G g G') * (B' d B)] A. Every step is linear, so the gradient goes through their transposes:

    dM = A dY A'                            of every 2 x 2 tile of the output's gradient
    dU[a, b] = dM[a, b] @ V[a, b]'          16 matrix products that sum over the tiles, V = B' d B as before
    dg = G' dU G                            once per filter, at the end

again with 16 multiplications where 36 were. Both factors have the tiles of a channel side by side in memory, which is what
`dot_tile` wants. As in correlate.py, the sum over the batch is cut into chunks.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from .geometry import copy_band
from .jit import njit, take, take_many
from .simd import DOT_COLUMNS, DOT_ROWS, Emitter, dot_tile
from .winograd import apart, deinterleave, transform_tiles

__all__ = ["BLOCK", "sum_products", "transform_filters_back"]

BLOCK = 64  # channels of either kind in one round of products: their rows stay in the L2 cache


@intrinsic
def transform_gradient(typing, grad, at, pitch, out, to, plane):
    """out[to + (4 a + b) * plane + j] = (A dY A')[a, b] for the tiles j < lanes: dY[r, s] = grad[at + r * pitch + 2 j + s]."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        _, at, pitch, _, to, plane = arguments

        def transform(y):
            return [y[0], builder.fadd(*y), builder.fsub(*y), builder.fneg(y[1])]

        source = emit.at(emit.data(0), at)
        rows = [transform(deinterleave(emit, emit.at(source, emit.times(pitch, r)))) for r in range(2)]
        columns = [transform([rows[r][b] for r in range(2)]) for b in range(4)]
        for a in range(4):
            for b in range(4):
                emit.store(columns[b][a], emit.at(emit.data(3), to, emit.times(plane, 4 * a + b)))
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(grad, i64, i64, out, i64, i64), generate


@njit
def sum_products(counter, image, grad, partial, chunks, positions, channels, size, out_size, padding, rows, lanes):
    """One thread. partial[chunk, a, b, g, o, c] += sum over the chunk's tiles t of dM[a, b, o, t] * V[a, b, c, t].

    All arrays are flat. `rows` rows of tiles are transformed at a time; positions: 0, lanes, 2 * lanes, ..
    """
    batch, groups, inputs, outputs = channels
    tile_rows, tile_columns = (out_size[0] + 1) // 2, (out_size[1] + 1) // 2
    pitch = len(positions) * lanes + lanes  # room for the last vector of the last row
    plane = apart(BLOCK * pitch)
    band_width = 2 * tile_columns + 2
    band = np.zeros((2 * rows + 2) * band_width + 2 * lanes, image.dtype)
    tiles = np.zeros(16 * plane, image.dtype)
    gradients = np.zeros(16 * plane, image.dtype)
    starts = pitch * np.arange(BLOCK)
    blocks = (inputs + BLOCK - 1) // BLOCK
    bands = (batch * tile_rows + rows - 1) // rows
    tasks = chunks * groups * blocks
    task = take(counter, tasks)
    while task < tasks:
        chunk, group, c0 = task // (groups * blocks), task // blocks % groups, task % blocks * BLOCK
        c1 = min(inputs, c0 + BLOCK)
        for q0 in range(bands * chunk // chunks * rows, bands * (chunk + 1) // chunks * rows, rows):
            q1 = min(batch * tile_rows, q0 + rows)
            count = (q1 - q0) * tile_columns
            for c in range(c0, c1):
                line = 0
                for q in range(q0, q1):
                    n, i = q // tile_rows, q % tile_rows
                    known = 2 if q > q0 and i > 0 else 0  # lines shared with the row of tiles above
                    line = line + 2 if known else 0
                    copy_band(
                        image, ((n * groups + group) * inputs + c) * size[0] * size[1], size[0], size[1],
                        2 * i + known - padding[0], -padding[1], 1, 1,
                        band, (line + known) * band_width, 4 - known, band_width,
                    )  # fmt: skip
                    for j in range(0, tile_columns, lanes):
                        to = (c - c0) * pitch + (q - q0) * tile_columns + j
                        transform_tiles(band, line * band_width + 2 * j, band_width, tiles, to, plane)
            for o0 in range(0, outputs, BLOCK):
                o1 = min(outputs, o0 + BLOCK)
                for o in range(o0, o1):
                    for q in range(q0, q1):
                        n, i = q // tile_rows, q % tile_rows
                        copy_band(
                            grad, ((n * groups + group) * outputs + o) * out_size[0] * out_size[1], out_size[0], out_size[1],
                            2 * i, 0, 1, 1, band, 0, 2, band_width,
                        )  # fmt: skip
                        for j in range(0, tile_columns, lanes):
                            to = (o - o0) * pitch + (q - q0) * tile_columns + j
                            transform_gradient(band, 2 * j, band_width, gradients, to, plane)
                    for place in range(16):  # what hangs over the end must count nothing
                        at = place * plane + (o - o0) * pitch + count
                        for j in range(lanes):
                            gradients[at + j] = 0
                for place in range(16):
                    to = (((chunk * 16 + place) * groups + group) * outputs + o0) * inputs + c0
                    for o in range(0, o1 - o0, DOT_ROWS):
                        for c in range(0, c1 - c0, DOT_COLUMNS):
                            dot_tile(
                                partial, to + o * inputs + c, inputs, gradients, place * plane + o * pitch, pitch, positions,
                                tiles, place * plane, positions, (count + lanes - 1) // lanes, starts, c,
                                o1 - o0 - o, c1 - c0 - c,
                            )  # fmt: skip
        task = take(counter, tasks)


@njit
def transform_filters_back(counter, partial, out, chunks, step):
    """One thread. out[i, kh, kw] = (G' (the sum of the chunks) G)[kh, kw] of filter i; `step` filters are a task.

    partial: flat (chunks, 4, 4, filters); out: flat (filters, 3, 3).
    """
    filters = len(out) // 9
    half = partial.dtype.type(0.5)
    total = np.empty((4, 4), partial.dtype)
    rows = np.empty((3, 4), partial.dtype)
    first = take_many(counter, filters, step)
    while first < filters:
        for i in range(first, min(filters, first + step)):
            for a in range(4):
                for b in range(4):
                    total[a, b] = 0
                    for chunk in range(chunks):
                        total[a, b] += partial[(chunk * 16 + 4 * a + b) * filters + i]
            for b in range(4):
                mean = (total[1, b] + total[2, b]) * half
                rows[0, b] = total[0, b] + mean
                rows[1, b] = (total[1, b] - total[2, b]) * half
                rows[2, b] = mean + total[3, b]
            for a in range(3):
                mean = (rows[a, 1] + rows[a, 2]) * half
                out[9 * i + 3 * a] = rows[a, 0] + mean
                out[9 * i + 3 * a + 1] = (rows[a, 1] - rows[a, 2]) * half
                out[9 * i + 3 * a + 2] = mean + rows[a, 3]
        first = take_many(counter, filters, step)
