"""3 x 3 convolution at stride 1 with 2.25 times fewer multiplications: Winograd's F(2x2, 3x3).

Two neighbouring outputs of a 3-tap filter g over d0 .. d3 take six multiplications, or four:

    y0 = d0 g0 + d1 g1 + d2 g2      m0 = (d0 - d2) g0        m1 = (d1 + d2) (g0 + g1 + g2) / 2
    y1 = d1 g0 + d2 g1 + d3 g2      m3 = (d1 - d3) g2        m2 = (d2 - d1) (g0 - g1 + g2) / 2

    y0 = m0 + m1 + m2               y1 = m1 - m2 - m3

As matrices: y = A' [(G g) * (B' d)]. Applied along rows and columns, Y = A' [(G g G') * (B' d B)] A makes 2 x 2 outputs from
a 4 x 4 tile of the image with 16 multiplications instead of 36. Over channels the products are summed before the last
step, so the bulk of the work is 16 matrix products, one for each place (a, b) in the tile:

    U[a, b, o, c] = (G g G')[a, b]      of every filter
    V[a, b, c, t] = (B' d B)[a, b]      of every tile t                M[a, b] = U[a, b] @ V[a, b]
    Y[o, t]       = A' M[:, :, o, t] A

The transforms only add, subtract and halve, so rounding errors stay close to those of a direct convolution. With at most 12
roundings in them, C channels summed, and the rows of |A'| (|G| 1 * |B'| 1) adding up to 8,

    |error| <= 64 C (C + 12) u max|g| max|d|        to first order in the unit roundoff u; a direct sum: 9 C (9 C) u max|g| max|d|

Larger tiles save more but multiply by numbers like 1/24 and lose digits: F(4x4, 3x3) is ten times less accurate. An
infinite or NaN pixel makes NaN of its whole tile's outputs, so images whose result is not finite are convolved again
directly (conv_ways.py). (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2016; errors: B. Barabasz
et al., Error Analysis and Improving the Accuracy of Winograd Convolution for DNNs, 2020.)
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from .geometry import copy_band
from .jit import njit, take
from .simd import ROWS, VECTORS, Emitter, outer_tile

__all__ = ["apart", "tile_rows_per_task", "transform_weight", "winograd"]

FILTERS = 4 * ROWS  # output channels whose M is kept at a time
CHANNELS = 256  # summed in one go


@register_jitable
def apart(count):
    """`count` rounded up so that 16 arrays this far apart do not meet in the same set of a cache.

    Caches choose the set by the address modulo 4096 bytes; arrays that agree in it push each other out.
    """
    return (count + 1023) // 1024 * 1024 + 80


def tile_rows_per_task(tile_rows, tile_columns, width, filters):
    """How many rows of tiles are transformed together: about 100 tiles, in full panels of `width` if possible.

    Many tiles reuse each filter more often while it is in the cache. But there should be eight tasks, for the threads, or
    two if there are so many filters that each task reads them from memory.
    """
    most = max(1, min(112 // tile_columns, tile_rows // (8 if filters < 1 << 15 else 2)))
    return max(range(1, most + 1), key=lambda rows: (rows * tile_columns / -(-rows * tile_columns // width), rows))


def deinterleave(emit, pointer):
    """The even and the odd ones of 2 * lanes numbers, as two vectors."""
    low, high = emit.load(pointer), emit.load(emit.at(pointer, emit.lanes))
    kind = ir.VectorType(ir.IntType(32), emit.lanes)
    return [
        emit.builder.shuffle_vector(low, high, ir.Constant(kind, list(range(odd, 2 * emit.lanes, 2)))) for odd in (0, 1)
    ]


@intrinsic
def transform_tiles(typing, image, at, pitch, out, to, plane):
    """out[to + (4 a + b) * plane + j] = (B' d B)[a, b] for the tiles j < lanes: d[a, b] = image[at + a * pitch + 2 j + b]."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        _, at, pitch, _, to, plane = arguments

        def transform(d):
            return [
                builder.fsub(d[0], d[2]), builder.fadd(d[1], d[2]), builder.fsub(d[2], d[1]), builder.fsub(d[1], d[3]),
            ]  # fmt: skip

        rows = []
        for a in range(4):
            row = emit.at(emit.data(0), at, emit.times(pitch, a))
            rows.append(transform(deinterleave(emit, row) + deinterleave(emit, emit.at(row, 2))))
        columns = [transform([rows[a][b] for a in range(4)]) for b in range(4)]
        for a in range(4):
            for b in range(4):
                emit.store(columns[b][a], emit.at(emit.data(3), to, emit.times(plane, 4 * a + b)))
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(image, i64, i64, out, i64, i64), generate


@intrinsic
def transform_back(typing, products, at, plane, out, to, pitch):
    """out[to + r * pitch + 2 j + s] = (A' m A)[r, s] for the tiles j < lanes: m[a, b] = products[at + (4 a + b) * plane + j]."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        _, at, plane, _, to, pitch = arguments

        def transform(m):
            return [builder.fadd(builder.fadd(m[0], m[1]), m[2]), builder.fsub(builder.fsub(m[1], m[2]), m[3])]

        source = emit.at(emit.data(0), at)
        columns = [
            transform([emit.load(emit.at(source, emit.times(plane, 4 * a + b))) for a in range(4)]) for b in range(4)
        ]
        kind = ir.VectorType(ir.IntType(32), emit.lanes)
        half = emit.lanes // 2
        for r in range(2):
            even, odd = transform([columns[b][r] for b in range(4)])
            for part in range(2):
                order = [part * half + j // 2 + (j % 2) * emit.lanes for j in range(emit.lanes)]
                pixels = builder.shuffle_vector(even, odd, ir.Constant(kind, order))
                emit.store(pixels, emit.at(emit.data(3), to, emit.times(pitch, r), part * emit.lanes))
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(products, i64, i64, out, i64, i64), generate


@njit
def transform_weight(counter, weight, panels, groups, outputs, inputs, start, steps):
    """One thread. U of every filter, packed for the register tile: (16, groups, ceil(outputs / ROWS), inputs, ROWS).

    weight: flat, g[kh, kw] of group, output and input channel at start + the sum of their indices times `steps`.
    """
    to_group, to_output, to_input, to_row, to_column = steps
    blocks = (outputs + ROWS - 1) // ROWS
    half = weight.dtype.type(0.5)
    rows = np.empty((4, 3), weight.dtype)
    plane = apart(groups * blocks * inputs * ROWS)
    tasks = groups * blocks
    task = take(counter, tasks)
    while task < tasks:
        group, block = task // blocks, task % blocks
        for c in range(inputs):
            for r in range(ROWS):
                o = block * ROWS + r
                to = (task * inputs + c) * ROWS + r
                if o >= outputs:
                    for i in range(16):
                        panels[i * plane + to] = 0
                    continue
                at = start + group * to_group + o * to_output + c * to_input
                for s in range(3):
                    g0 = weight[at + s * to_column]
                    g1 = weight[at + to_row + s * to_column]
                    g2 = weight[at + 2 * to_row + s * to_column]
                    rows[0, s], rows[3, s] = g0, g2
                    rows[1, s], rows[2, s] = (g0 + g1 + g2) * half, (g0 - g1 + g2) * half
                for a in range(4):
                    g0, g1, g2 = rows[a, 0], rows[a, 1], rows[a, 2]
                    place = 4 * a * plane + to
                    panels[place] = g0
                    panels[place + plane] = (g0 + g1 + g2) * half
                    panels[place + 2 * plane] = (g0 - g1 + g2) * half
                    panels[place + 3 * plane] = g2
        task = take(counter, tasks)


@njit
def winograd(counter, image, panels, out, channels, size, out_size, padding, rows, lanes):
    """One thread. image (batch, groups * inputs, *size) -> out (batch, groups * outputs, *out_size), flat.

    The rows of tiles of all images are numbered through; `rows` of them are a task.
    """
    batch, groups, inputs, outputs = channels
    blocks = (outputs + ROWS - 1) // ROWS
    tile_rows, tile_columns = (out_size[0] + 1) // 2, (out_size[1] + 1) // 2
    width = VECTORS * lanes
    tiles = (rows * tile_columns + width - 1) // width * width
    pitch = tiles + lanes  # room for the last vector of the last row
    band_width = 2 * tile_columns + 2
    band = np.zeros((2 * rows + 2) * band_width + 2 * lanes, image.dtype)
    plane, product_plane, panel_plane = apart(inputs * pitch), apart(FILTERS * pitch), len(panels) // 16
    transformed = np.zeros(16 * plane, image.dtype)
    products = np.empty(16 * product_plane, image.dtype)
    pixels = np.empty(4 * lanes, image.dtype)
    bands = (batch * tile_rows + rows - 1) // rows
    panel = inputs * ROWS
    tasks = groups * bands
    task = take(counter, tasks)
    while task < tasks:
        group, q0 = task // bands, task % bands * rows
        q1 = min(batch * tile_rows, q0 + rows)
        for c in range(inputs):
            line = 0
            for q in range(q0, q1):
                n, i = q // tile_rows, q % tile_rows
                known = 2 if q > q0 and i > 0 else 0  # lines shared with the row of tiles above
                line = line + 2 if known else 0
                copy_band(
                    image, ((n * groups + group) * inputs + c) * size[0] * size[1], size[0], size[1],
                    2 * i + known - padding[0], -padding[1], 1, 1, band, (line + known) * band_width, 4 - known, band_width,
                )  # fmt: skip
                # A vector that hangs over the end of a row is overwritten by the next row.
                for j in range(0, tile_columns, lanes):
                    to = c * pitch + (q - q0) * tile_columns + j
                    transform_tiles(band, line * band_width + 2 * j, band_width, transformed, to, plane)
        count = (q1 - q0) * tile_columns
        for o0 in range(0, outputs, FILTERS):
            o1 = min(outputs, o0 + FILTERS)
            for place in range(16):
                for c0 in range(0, inputs, CHANNELS):
                    steps = min(CHANNELS, inputs - c0)
                    for t in range(0, count, width):
                        for o in range(o0, o1, ROWS):
                            outer_tile(
                                products, place * product_plane + (o - o0) * pitch + t, pitch,
                                panels, place * panel_plane + (group * blocks + o // ROWS) * panel + c0 * ROWS, 1, ROWS,
                                transformed, place * plane + c0 * pitch + t, pitch, steps, ROWS, c0 > 0,
                            )  # fmt: skip
            for o in range(o0, o1):
                for q in range(q0, q1):
                    n, i = q // tile_rows, q % tile_rows
                    lines = min(2, out_size[0] - 2 * i)
                    to = (((n * groups + group) * outputs + o) * out_size[0] + 2 * i) * out_size[1]
                    for j in range(0, tile_columns, lanes):
                        at = (o - o0) * pitch + (q - q0) * tile_columns + j
                        if lines == 2 and 2 * (j + lanes) <= out_size[1]:
                            transform_back(products, at, product_plane, out, to + 2 * j, out_size[1])
                        else:
                            transform_back(products, at, product_plane, pixels, 0, 2 * lanes)
                            for r in range(lines):
                                for s in range(min(2 * lanes, out_size[1] - 2 * j)):
                                    out[to + r * out_size[1] + 2 * j + s] = pixels[r * 2 * lanes + s]
        task = take(counter, tasks)
