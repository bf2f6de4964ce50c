"""Direct convolution with the channels in the lanes: one register tile behind all three kernels, for any stride.

    out[o, p] = sum over channels c and taps t of weight[o, c, t] * source[c, pixel(p) + tap(t)]

correlate.py puts neighbouring pixels into the lanes of a vector, which wastes lanes at the end of every row (7 of 8 are used in
a 7 x 7 map) and wants a stride undone first. Here a vector holds output channels instead, and the pixels are broadcast:

                          16 channels o             step k = (c, t) loads two vectors of weights and broadcasts
         source[p0 + k]  [ c00 c01 ]                source[positions[p] + taps[k]] for six pixels p, from wherever
         source[p1 + k]  [ c10 c11 ]                they lie: a stride, a dilation or the end of a row are but
            ..              ..                      other numbers in the table of positions
         source[p5 + k]  [ c50 c51 ]

    task: some output rows of one image, or several small images
        copy what they see, zero-padded (all channels)                     stays in the L2 cache
        for each 16 output channels
            for each K_BLOCK steps of k                                    16 kB of weights: L1
                for each 6 pixels: a tile
            transpose (pixels, 16) into the result's planes

Every multiply-add is done once, 2 * N * O * P * C * T operations, and next to it only the copy (C numbers a pixel), the
transposition (O numbers a pixel) and the packing of the weights (once).

    forward             source: the image      k: channels and taps        panel: the weights
    input's gradient    source: the gradient   k: outputs and taps         panel: the weights, turned round; at stride s once
                                                                           for each of the s * s phases of the image's pixels
    weight's gradient   source: the image      k: pixels                   panel: the gradient, (pixels, 16 channels); the
                                                                           positions are the taps: one row for each weight
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .geometry import copy_band, grid
from .jit import inner, njit, take
from .moves import copy_vectors, transpose_block
from .simd import ROWS, VECTORS, pixel_tile

__all__ = ["Layout", "correlate_channels", "layout", "pack_weight", "sum_weight", "unpack_weight"]

K_BLOCK = 256
# Blocks of outputs packed at a time: what they read of one input lies together when the roles are changed.
SIDE_BY_SIDE = 4
SOURCE_BYTES = 1 << 19  # of the copy of what a task sees, if more than one row fits
PIXELS = 256  # of a task: each weight that is loaded serves all of them


class Layout(NamedTuple):
    """Sizes and tables. The compiled loops take `sizes` as a plain tuple of integers."""

    sizes: tuple
    positions: np.ndarray  # of a task's pixels in the copy, the last one repeated to a whole tile
    taps: np.ndarray  # of every (channel, tap) in it, likewise
    planes: np.ndarray  # depth of each tap, relative to the pixel


def whole_tiles(table):
    """The table with its last entry repeated up to a multiple of ROWS."""
    return np.concatenate([table, np.repeat(table[-1:], -len(table) % ROWS)])


@lru_cache(256)
def layout(
    channels: tuple[int, int, int, int], size: tuple[int, int, int], positions: tuple[int, int, int],
    offsets: tuple[tuple[int, ...], ...], stride: tuple[int, int, int], lanes: int, itemsize: int, least_tasks: int,
) -> Layout:  # fmt: skip
    """channels: (batch, groups, inputs, outputs); size: of the source; positions: how many, along each dimension.

    Position i sees the source at i * stride + offset, for each of the offsets. least_tasks: how many are wanted, by
    taking the output channels apart: every task copies what it sees, but no sum depends on it.
    """
    batch, groups, inputs, outputs = channels
    depth, height, width = positions
    # With one tap along a dimension, only every stride-th row or column is seen: then only these are copied.
    copied = [s if len(o) == 1 else 1 for o, s in zip(offsets, stride, strict=True)]
    steps = [s // c for s, c in zip(stride, copied, strict=True)]
    spans = [max(o) - min(o) + 1 for o in offsets]
    columns = (width - 1) * steps[2] + spans[2]

    def plane_of(rows: int) -> int:
        """Elements of a channel: an odd number of cache lines, so that channels do not meet in the same sets."""
        lines = -(-len(offsets[0]) * ((rows - 1) * steps[1] + spans[1]) * columns * itemsize // 64)
        return (lines | 1) * 64 // itemsize

    rows = max(1, min(height, PIXELS // width))
    while rows > 1 and plane_of(rows) * inputs * itemsize > SOURCE_BYTES:
        rows -= 1
    bands = -(-height // rows)
    rows = -(-height // bands)
    images = 1
    if bands == 1 and depth == 1:
        images = max(1, min(batch, PIXELS // (height * width), SOURCE_BYTES // (plane_of(rows) * inputs * itemsize)))
    tasks = -(-batch // images) * groups * depth * bands
    blocks = -(-outputs // (VECTORS * lanes))
    splits = min(blocks, -(-least_tasks // tasks))

    plane, rows_seen = plane_of(rows), (rows - 1) * steps[1] + spans[1]
    rows_of, columns_of = (np.array(o) - min(o) for o in offsets[1:])
    taps = grid((inputs, plane), (len(offsets[0]), rows_seen * columns))[:, None, None]
    taps = (taps + columns * rows_of[:, None] + columns_of).ravel()
    sizes = (
        *channels, *size, *positions, *stride, images, rows, bands, splits, copied[1], copied[2], min(offsets[1]),
        min(offsets[2]), rows_seen, columns, plane, lanes, len(taps),
    )  # fmt: skip
    places = grid((images, inputs * plane), (rows, steps[1] * columns), (width, steps[2]))
    return Layout(sizes, whole_tiles(places), whole_tiles(taps), np.array(offsets[0]))


@inner
def load(source, copy, planes, n0, n1, group, z, r0, r1, c0, c1, sizes):
    """Copy what the rows r0 .. r1 of positions at depth z see of the channels c0 .. c1, zero outside of the source."""
    (
        _, groups, inputs, _, depth, height, width, _, _, _, depth_stride, row_stride, _, _, band_rows, _, _, row_step,
        column_step, top, left, rows_seen, columns, plane, _, _,
    ) = sizes  # fmt: skip
    rows = rows_seen - (band_rows - (r1 - r0)) * (row_stride // row_step)
    for n in range(n0, n1):
        for c in range(c0, c1):
            channel = ((n * groups + group) * inputs + c) * depth
            to = ((n - n0) * inputs + c) * plane
            for t in range(len(planes)):
                d = z * depth_stride + planes[t]
                inside = 0 <= d < depth
                copy_band(
                    source, (channel + d if inside else 0) * height * width, height if inside else 0, width,
                    r0 * row_stride + top, left, row_step, column_step, copy, to + t * rows_seen * columns, rows, columns,
                )  # fmt: skip


@njit
def pack_weight(counter, weight, panels, channels, steps, places, pitches, lanes):
    """One thread. weight -> panels: flat (groups, ceil(outputs / width), inputs, taps, width), zero-filled.

    channels: (groups, outputs, inputs). The weight of group g, output o, input c, tap t is weight[g * steps[0] + o * steps[1] +
    c * steps[2] + t] and goes to row places[t] of the panels plus pitches[t] for every input: taps can be shared
    out among several phases, each with panels of its own; a place of -1 leaves the tap out.
    """
    groups, outputs, inputs = channels
    width, taps = VECTORS * lanes, len(places)
    blocks = (outputs + width - 1) // width
    parts = (blocks + SIDE_BY_SIDE - 1) // SIDE_BY_SIDE
    square = np.empty(lanes * width, weight.dtype)
    ordered = pitches[0] == taps and places[0] == 0  # the taps lie as in the panels,
    in_order = ordered and steps[2] == taps  # and so do the inputs
    rows = inputs * taps if in_order else taps
    tasks = groups * parts
    task = take(counter, tasks)
    while task < tasks:
        group, first = task // parts, task % parts * SIDE_BY_SIDE
        for c in range(1 if in_order else inputs):
            for block in range(first, min(blocks, first + SIDE_BY_SIDE)):
                valid = min(width, outputs - block * width)
                at = group * steps[0] + block * width * steps[1] + c * steps[2]
                row = (group * blocks + block) * inputs + c
                whole = rows // lanes * lanes if valid == width else 0
                for k in range(0, whole, lanes):
                    if ordered:
                        for j in range(0, width, lanes):
                            to = (row * taps + k) * width + j
                            transpose_block(panels, to, width, weight, at + j * steps[1] + k, steps[1])
                        continue
                    for j in range(0, width, lanes):
                        transpose_block(square, j, width, weight, at + j * steps[1] + k, steps[1])
                    for i in range(lanes):
                        if places[k + i] >= 0:
                            copy_vectors(panels, (places[k + i] + row * pitches[k + i]) * width, square, i * width)
                for k in range(whole, rows):
                    if not ordered and places[k] < 0:
                        continue
                    to = (row * taps + k if ordered else places[k] + row * pitches[k]) * width
                    if steps[1] == 1 and valid == width:
                        copy_vectors(panels, to, weight, at + k)
                    else:
                        for j in range(valid):
                            panels[to + j] = weight[at + j * steps[1] + k]
                        for j in range(valid, width):
                            panels[to + j] = 0
        task = take(counter, tasks)


@njit
def correlate_channels(counter, source, panels, first_panel, out, positions, taps, planes, target, sizes):
    """One thread. source (batch, groups * inputs, *size) -> out (batch, groups * outputs, *target size), flat.

    target: (out_depth, out_height, out_width, first and step along each dimension) says where positions go in `out`.
    """
    (
        batch, groups, inputs, outputs, _, _, _, depth, height, width, _, _, _, images, rows, bands, splits, _, _, _, _, _, _,
        plane, lanes, steps,
    ) = sizes  # fmt: skip
    out_depth, out_height, out_width, first_z, first_row, first_column, step_z, step_row, step_column = target
    lane_width = VECTORS * lanes
    blocks = (outputs + lane_width - 1) // lane_width
    k_block = (steps + (steps + K_BLOCK - 1) // K_BLOCK - 1) // ((steps + K_BLOCK - 1) // K_BLOCK)  # equal blocks
    copy = np.empty(images * inputs * plane, source.dtype)
    tile = np.empty(len(positions) * lane_width, source.dtype)
    line = np.empty(lanes * lanes, source.dtype)
    out_plane = out_depth * out_height * out_width
    spatial = (batch + images - 1) // images * groups * depth * bands
    tasks = spatial * splits
    task = take(counter, tasks)
    while task < tasks:
        split, band = task % splits, task // splits % bands
        z, group = task // (splits * bands) % depth, task // (splits * bands * depth) % groups
        n0 = task // (splits * bands * depth * groups) * images
        n1, r0 = min(batch, n0 + images), band * rows
        r1 = min(height, r0 + rows)
        load(source, copy, planes, n0, n1, group, z, r0, r1, 0, inputs, sizes)
        each = (r1 - r0) * width
        for block in range(blocks * split // splits, blocks * (split + 1) // splits):
            panel = first_panel + (group * blocks + block) * steps * lane_width
            for k in range(0, steps, k_block):
                for p in range(0, (n1 - n0) * each, ROWS):
                    pixel_tile(
                        tile, p * lane_width, copy, positions, p, taps, k, min(k_block, steps - k), panels,
                        panel + k * lane_width, k > 0,
                    )  # fmt: skip
            o0 = block * lane_width
            valid = min(lane_width, outputs - o0)
            for n in range(n1 - n0):
                to = ((n0 + n) * groups + group) * outputs + o0
                to = (to * out_depth + first_z + z * step_z) * out_height * out_width + first_column
                if step_column == 1 and step_row == 1 and width == out_width:  # the rows lie one after the other
                    store(
                        tile,
                        n * each * lane_width,
                        out,
                        to + (first_row + r0) * out_width,
                        out_plane,
                        each,
                        valid,
                        lanes,
                        line,
                    )
                else:
                    for r in range(r0, r1):
                        at = (n * each + (r - r0) * width) * lane_width
                        row = to + (first_row + r * step_row) * out_width
                        if step_column == 1:
                            store(tile, at, out, row, out_plane, width, valid, lanes, line)
                        else:
                            for j in range(valid):
                                for i in range(width):
                                    out[row + j * out_plane + i * step_column] = tile[at + i * lane_width + j]
        task = take(counter, tasks)


@inner
def store(tile, at, out, to, plane, count, valid, lanes, line):
    """out[to + j * plane + i] = tile[at + i * width + j] for i < count, j < valid: pixels and channels change places."""
    width = VECTORS * lanes
    whole = count // lanes * lanes
    for j in range(0, valid, lanes):
        if j + lanes <= valid:
            for i in range(0, whole, lanes):
                transpose_block(out, to + j * plane + i, plane, tile, at + i * width + j, width)
        else:
            for i in range(0, whole, lanes):
                transpose_block(line, 0, lanes, tile, at + i * width + j, width)
                for s in range(valid - j):
                    for r in range(lanes):
                        out[to + (j + s) * plane + i + r] = line[s * lanes + r]
    for j in range(valid):
        for i in range(whole, count):
            out[to + j * plane + i] = tile[at + i * width + j]


@njit
def sum_weight(counter, image, grad, partial, chunks, block, positions, taps, planes, sizes):
    """One thread. partial (chunks, groups, ceil(outputs / width), steps, width) += the gradient of the weight, flat.

    steps: len(taps), whole tiles. `image` is the source of the layout; grad (batch, groups * outputs, *positions). The
    sum over images and positions is cut into `chunks`, so that there are tasks, and into blocks of input channels, whose
    number `block` is a multiple of ROWS so that no tile is shared.
    """
    (
        batch, groups, inputs, outputs, _, _, _, depth, height, width, _, _, _, images, rows, bands, _, _, _, _, _, _, _,
        plane, lanes, rows_of_weight,
    ) = sizes  # fmt: skip
    lane_width = VECTORS * lanes
    blocks = (outputs + lane_width - 1) // lane_width
    parts = (inputs + block - 1) // block
    steps = len(taps)
    tap_count = rows_of_weight // inputs
    copy = np.empty(images * inputs * plane, image.dtype)
    pixels = images * rows * width
    panels = np.zeros(blocks * pixels * lane_width, image.dtype)
    grad_plane = depth * height * width
    spatial = (batch + images - 1) // images * depth * bands
    tasks = chunks * groups * parts
    task = take(counter, tasks)
    while task < tasks:
        chunk, group, c0 = task // (groups * parts), task // parts % groups, task % parts * block
        c1 = min(inputs, c0 + block)
        k0, k1 = c0 * tap_count, steps if c1 == inputs else c1 * tap_count
        to = (chunk * groups + group) * blocks
        for place in range(spatial * chunk // chunks, spatial * (chunk + 1) // chunks):
            band, z, n0 = place % bands, place // bands % depth, place // (bands * depth) * images
            n1, r0 = min(batch, n0 + images), band * rows
            r1 = min(height, r0 + rows)
            each = (r1 - r0) * width
            load(image, copy, planes, n0, n1, group, z, r0, r1, c0, c1, sizes)
            for o in range(blocks):
                for n in range(n0, n1):
                    channel = (n * groups + group) * outputs + o * lane_width
                    at = (channel * depth + z) * height * width + r0 * width
                    place_of = (o * pixels + (n - n0) * each) * lane_width
                    pack_pixels(
                        grad, at, grad_plane, panels, place_of, each, min(lane_width, outputs - o * lane_width), lanes
                    )
            for o in range(blocks):
                for k in range(k0, k1, ROWS):
                    pixel_tile(
                        partial, ((to + o) * steps + k) * lane_width, copy, taps, k, positions, 0, (n1 - n0) * each, panels,
                        o * pixels * lane_width, True,
                    )  # fmt: skip
        task = take(counter, tasks)


@inner
def pack_pixels(grad, at, plane, panels, to, count, valid, lanes):
    """panels[to + i * width + j] = grad[at + j * plane + i] for i < count, j < valid: the other way round than `store`."""
    width = VECTORS * lanes
    whole = count // lanes * lanes
    vectors = valid // lanes * lanes
    for j in range(0, vectors, lanes):
        for i in range(0, whole, lanes):
            transpose_block(panels, to + i * width + j, width, grad, at + j * plane + i, plane)
        for s in range(j, j + lanes):
            for i in range(whole, count):
                panels[to + i * width + s] = grad[at + s * plane + i]
    for s in range(vectors, valid):
        for i in range(count):
            panels[to + i * width + s] = grad[at + s * plane + i]


@njit
def unpack_weight(counter, partial, out, chunks, groups, outputs, steps, padded_steps, lanes):
    """One thread. out (groups, outputs, steps) = the sum of partial (chunks, groups, blocks, padded_steps, width), flat."""
    width = VECTORS * lanes
    blocks = (outputs + width - 1) // width
    size = groups * blocks * padded_steps * width
    tasks = groups * blocks
    task = take(counter, tasks)
    while task < tasks:
        group, o0 = task // blocks, task % blocks * width
        valid = min(width, outputs - o0)
        at, to = task * padded_steps * width, (group * outputs + o0) * steps
        for chunk in range(1, chunks):
            for i in range(padded_steps * width):
                partial[at + i] += partial[chunk * size + at + i]
        whole = steps // lanes * lanes if valid == width else 0
        for j in range(0, width if whole else 0, lanes):
            for k in range(0, whole, lanes):
                transpose_block(out, to + j * steps + k, steps, partial, at + k * width + j, width)
        for j in range(valid):
            for k in range(whole, steps):
                out[to + j * steps + k] = partial[at + k * width + j]
        task = take(counter, tasks)
