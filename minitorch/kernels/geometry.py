"""The tables that turn a convolution into a matrix product without writing the matrix down.

A convolution multiplies weight (O, C*T), T taps per channel, with a matrix whose row (c, t) is channel c of the image,
shifted by tap t. `im2col` stores that matrix: T times the image, and half of the time goes into it. Here it stays virtual:
its row k and column v are

    source[positions[v] + taps[k]]

`positions` says where the output pixels lie in the source, `taps` how far from there each tap is; both depend on the
shapes alone. One column v stands for a vector of neighbouring pixels, and register tiles load them straight
from the source. (M. Dukhan: The Indirect Convolution Algorithm, 2019.)

The source is the image itself where no tap leaves it, else a zero-padded copy of a band of its rows, small
enough for the L2 cache. A stride disappears while copying: at stride 2, even and odd rows and columns become four small
images ("phases"), in which neighbours in the output are neighbours again:

    image row    0 1 2 3 4 5 ..   ->   phase 0: rows 0 2 4 ..    phase 1: rows 1 3 5 ..

A task is a band of output rows of one image, or several whole images if they are small.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .jit import inner
from .moves import copy_run, zero_run
from .simd import ROWS

__all__ = ["Geometry", "Plan", "copy_band", "load_bands", "plan"]

BAND_BYTES = 128 * 1024  # for the padded copy: a quarter of a common L2 cache; weights and results need room too
TAPS = 288  # rows of the virtual matrix in one pass: with 6 weights and 16 pixels each, about an L1 cache
VECTORS_PER_TASK = 48  # so many at least, if the batch has them: what is done once per task then costs little


class Geometry(NamedTuple):
    """All sizes of one convolution. Compiled kernels take it as a plain tuple and unpack it in this order."""

    batch: int
    groups: int
    inputs: int  # channels per group in the image
    outputs: int  # channels per group in the result
    height: int  # the image
    width: int
    out_height: int  # the result, or the phase of it that is computed
    out_width: int
    row_stride: int
    column_stride: int
    images: int  # per task
    rows: int  # of the result, per task
    block: int  # input channels per pass
    copies: int  # 1: the source is a padded copy, 0: the image itself
    first_row: int  # the image row and column that the top left of phase (0, 0) shows
    first_column: int
    padded_height: int  # one plane of the source
    padded_width: int
    lanes: int  # of a vector
    row_vectors: int  # vectors per row of the result
    source_size: int  # elements of the padded copy


class Plan(NamedTuple):
    """geometry; positions (of the vectors of one task) and taps as above; phases: flat (row, column) pairs."""

    geometry: Geometry
    positions: np.ndarray
    taps: np.ndarray
    phases: np.ndarray

    def places(self, per_image: int, per_row: int) -> np.ndarray:
        """Where the vectors of one task lie in an array with these strides between images and rows."""
        g = self.geometry
        return grid((g.images, per_image), (g.rows, per_row), (g.row_vectors, g.lanes))


@lru_cache(1024)
def grid(*axes: tuple[int, int]) -> np.ndarray:
    """All sums of one multiple per (count, stride) axis, the last axis running fastest."""
    total = np.zeros(1, np.int64)
    for count, stride in axes:
        total = (total[:, None] + stride * np.arange(count)).ravel()
    return total


@lru_cache(256)
def plan(
    row_taps: tuple[int, ...], column_taps: tuple[int, ...], strides: tuple[int, int],
    channels: tuple[int, int, int, int], size: tuple[int, int], out_size: tuple[int, int], lanes: int, itemsize: int,
) -> Plan:  # fmt: skip
    """row_taps, column_taps: the image rows and columns that the output pixel (0, 0) sees.

    channels: (batch, groups, inputs, outputs). Nothing here depends on the number of threads.
    """
    batch, groups, inputs, outputs = channels
    taps = [(row, column) for row in row_taps for column in column_taps]
    phases = sorted({(row % strides[0], column % strides[1]) for row, column in taps})
    top = min(row // strides[0] for row in row_taps)
    left = min(column // strides[1] for column in column_taps)
    halo = max(row // strides[0] for row in row_taps) - top
    row_vectors = -(-out_size[1] // lanes)
    # Each row has room for its last vector, so that no two vectors seen through one tap overlap.
    width = row_vectors * lanes + max(column // strides[1] for column in column_taps) - left
    block = min(inputs, max(ROWS, TAPS // len(taps) // ROWS * ROWS))
    inside = (
        tuple(strides) == (1, 1)
        and min(row_taps) >= 0 and max(row_taps) + out_size[0] <= size[0]
        and min(column_taps) >= 0 and max(column_taps) + row_vectors * lanes <= size[1]
    )  # fmt: skip

    rows_that_fit = BAND_BYTES // (itemsize * block * len(phases) * width) - halo
    bands = -(-out_size[0] // max(1, rows_that_fit))
    if batch * groups < 4:  # a few images must still keep several threads busy
        bands = max(bands, min(out_size[0], -(-4 // (batch * groups))))
    rows = -(-out_size[0] // bands)
    images = 1
    if bands == 1:
        images = min(batch, -(-VECTORS_PER_TASK // (rows * row_vectors)))

    padded = size if inside else (rows + halo, width)
    plane = padded[0] * padded[1]
    per_channel = plane if inside else len(phases) * plane
    per_image = per_channel * (groups * inputs if inside else block)
    if inside:
        top = left = 0
    offsets = [
        (phases.index((row % strides[0], column % strides[1])) * padded[0] + row // strides[0] - top) * padded[1]
        + column // strides[1] - left
        for row, column in taps
    ]  # fmt: skip
    geometry = Geometry(
        *channels, *size, *out_size, *strides, images, rows, block, int(not inside), top * strides[0], left * strides[1],
        *padded, lanes, row_vectors, 0 if inside else images * per_image,
    )  # fmt: skip
    return Plan(
        geometry,
        grid((images, per_image), (rows, padded[1]), (row_vectors, lanes)),
        (per_channel * np.arange(block)[:, None] + np.array(offsets, np.int64)).ravel(),
        np.array(phases, np.int64).ravel(),
    )


@inner
def copy_band(image, start, height, width, first_row, first_column, row_stride, column_stride, band, to, rows, columns):
    """band[to:] as (rows, columns) = the image plane at `start`, from (first_row, first_column) on in steps of the strides.

    What lies outside of the plane (height, width) is zero.
    """
    # Columns begin <= j < end lie inside.
    begin = min(max(0, -(first_column // column_stride)), columns)
    end = max(begin, min(columns, (width - 1 - first_column) // column_stride + 1))
    for i in range(rows):
        row = first_row + i * row_stride
        line = to + i * columns
        inside = 0 <= row < height
        low, high = (begin, end) if inside else (columns, columns)
        at = start + row * width + first_column
        zero_run(band, line, low)
        copy_run(band, line + low, 1, image, at + low * column_stride, column_stride, high - low)
        zero_run(band, line + high, columns - high)


@inner
def load_bands(image, source, phases, n0, n1, group, c0, c1, r0, rows, geometry):
    """Copy rows r0, r0 + 1, .. of the channels c0 <= c < c1 of the images n0 <= n < n1, all phases, into the source."""
    (
        _, groups, inputs, _, height, width, _, _, row_stride, column_stride, _, band_rows, block, _, first_row, first_column,
        padded_height, padded_width, _, _, _,
    ) = geometry  # fmt: skip
    count = len(phases) // 2
    for n in range(n0, n1):
        for c in range(c0, c1):
            channel = (n * groups + group) * inputs + c
            for p in range(count):
                copy_band(
                    image, channel * height * width, height, width,
                    first_row + phases[2 * p] + r0 * row_stride, first_column + phases[2 * p + 1], row_stride, column_stride,
                    source, (((n - n0) * block + c - c0) * count + p) * padded_height * padded_width,
                    padded_height - band_rows + rows, padded_width,
                )  # fmt: skip


@inner
def add_band(band, at, rows, columns, image, start, height, width, first_row, first_column, row_stride, column_stride):
    """The adjoint of copy_band: add every number of the band to the pixel it would have been copied from."""
    begin = min(max(0, -(first_column // column_stride)), columns)
    end = max(begin, min(columns, (width - 1 - first_column) // column_stride + 1))
    for i in range(rows):
        row = first_row + i * row_stride
        line = at + i * columns
        if 0 <= row < height:
            to = start + row * width + first_column
            if column_stride == 1:
                for j in range(begin, end):
                    image[to + j] += band[line + j]
            else:
                for j in range(begin, end):
                    image[to + j * column_stride] += band[line + j]


@inner
def add_bands(source, image, phases, n0, n1, group, c0, c1, r0, rows, geometry):
    """The adjoint of load_bands."""
    (
        _, groups, inputs, _, height, width, _, _, row_stride, column_stride, _, band_rows, block, _, first_row,
        first_column, padded_height, padded_width, _, _, _,
    ) = geometry  # fmt: skip
    count = len(phases) // 2
    for n in range(n0, n1):
        for c in range(c0, c1):
            channel = (n * groups + group) * inputs + c
            for p in range(count):
                add_band(
                    source, (((n - n0) * block + c - c0) * count + p) * padded_height * padded_width,
                    padded_height - band_rows + rows, padded_width, image, channel * height * width, height, width,
                    first_row + phases[2 * p] + r0 * row_stride, first_column + phases[2 * p + 1], row_stride, column_stride,
                )  # fmt: skip
