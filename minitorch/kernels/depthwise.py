"""Depthwise convolution: every channel has one filter of its own, so there is no sum over channels to fill a register tile.

A 3 x 3 filter does nine multiply-adds for every number read, and a plane of a channel fits the L1 cache. What costs is
everything around the multiplications: ends of rows, padding, strides. So a band of the plane is copied with its zeros, and
then taken as one long row. With rows of `pitch` numbers, output (i, j) lies at place i * pitch + j, and

    flat[q] = sum over taps t of weight[t] * copy[q + taps[t]]         for all q, in vectors, without an end of row

        | x x x x x x x . | x x x x x x x . | ..      a 7 x 7 map: 7 of 8 numbers are wanted,
                                                      the others are computed and dropped

ROW_VECTORS neighbouring vectors are summed side by side: each tap broadcasts one weight and loads as many vectors. A stride
disappears in the copy, as in geometry.py: at stride 2 it holds four small images (phases). For the input's
gradient the output has the phases: one such sum for each of them, over the copied gradient and the taps that reach it.
The weight's gradient is the dot product of the output's gradient, with zeros between its rows, and the copy at each tap.

In a small plane even copying row by row costs more than the multiplications. There the whole plane is one run, ends of rows
and all, once for each column of the filter, and in each run those columns are zero that this shift would take from a neighbouring row:

        shift +1   | 0 x x x x x x | 0 x x x x x x | ..      y[q] = sum over taps of weight * run[shift][q + row * width + shift]

With a stride that divides the width, a run holds every second column only, the even ones or the odd ones: taken out of the flat
plane in one go, since then every row begins alike. All rows are computed and every second is kept, or, for the weight's gradient,
the others are zero. Where the width is odd, the columns are treated so too: more arithmetic for nothing, but in whole vectors.

Operations: 2 T a pixel; memory: each number of image and result once. (torch: "depthwise" kernels of oneDNN.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .geometry import copy_band
from .jit import inner, njit, take
from .moves import copy_run
from .simd import DOT_TAPS, ROW_VECTORS, dot_taps, row_tile

__all__ = ["bands", "depthwise", "depthwise_runs", "depthwise_runs_weight", "depthwise_weight", "runs_of"]

ELEMENTS = 4096  # of a band: with its result 32 kB in float32, the L1 cache


class Bands(NamedTuple):
    """sizes: see `bands`; phases: flat (row, column) of the source; taps: where each tap looks in the copy; order: the tap's
    place in the filter; runs: flat (first tap, end, row, column, rows, columns) of each phase of the result."""

    sizes: tuple
    phases: np.ndarray
    taps: np.ndarray
    order: np.ndarray
    runs: np.ndarray


@lru_cache(256)
def bands(
    size: tuple[int, int], out_size: tuple[int, int], runs: tuple, stride: tuple[int, int], out_stride: tuple[int, int],
    lanes: int,
) -> Bands:  # fmt: skip
    """runs: for each phase of the result ((row, column), (rows, columns), taps), a tap being (row, column, place in the filter).

    Position (i, j) of a run sees the source at (i, j) * stride + (row, column) for each tap and belongs at
    (i, j) * out_stride + the phase in the result.
    """
    every = [tap for _, _, taps in runs for tap in taps]
    phases = sorted({(row % stride[0], column % stride[1]) for row, column, _ in every})
    top, left = (min(tap[d] // stride[d] for tap in every) for d in (0, 1))
    spans = [max(tap[d] // stride[d] for tap in every) - first for d, first in ((0, top), (1, left))]
    height, width = (max(positions[d] for _, positions, _ in runs) for d in (0, 1))
    pitch = width + spans[1]
    rows = max(1, min(height, ELEMENTS // (pitch * len(phases))))
    rows = -(-height // -(-height // rows))
    plane = (rows + spans[0]) * pitch
    offsets = [
        phases.index((row % stride[0], column % stride[1])) * plane + (row // stride[0] - top) * pitch
        + column // stride[1] - left
        for row, column, _ in every
    ]  # fmt: skip
    ends = np.cumsum([0] + [len(taps) for _, _, taps in runs])
    table = [
        (first, end, *phase, *positions)
        for (phase, positions, _), first, end in zip(runs, ends[:-1], ends[1:], strict=True)
    ]
    sizes = (
        *size,
        *out_size,
        *stride,
        *out_stride,
        height,
        rows,
        pitch,
        spans[0],
        top * stride[0],
        left * stride[1],
        lanes,
    )
    return Bands(
        sizes,
        np.array(phases, np.int64).ravel(),
        np.array(offsets, np.int64),
        np.array([place for _, _, place in every], np.int64),
        np.array(table, np.int64).ravel(),
    )


class Runs(NamedTuple):
    """sizes: (plane, margin, pitch) of the run of each shift; shifts: columns; taps: where each tap looks for position 0."""

    sizes: tuple[int, int, int]
    shifts: np.ndarray
    taps: np.ndarray


@lru_cache(256)
def runs_of(size: tuple[int, int], taps: tuple[tuple[int, int], ...], apart: int, lanes: int) -> Runs:
    """taps: the (row, column) that position (0, 0) sees through each tap. A run takes columns that are so far `apart`."""
    shifts, columns = sorted({column for _, column in taps}), size[1] // apart
    plane, vector = size[0] * columns, ROW_VECTORS * lanes
    margin = max(abs(row) * columns + abs(column // apart) for row, column in taps)
    pitch = margin + plane + margin + vector
    offsets = [shifts.index(column) * pitch + margin + row * columns + column // apart for row, column in taps]
    return Runs((plane, margin, pitch), np.array(shifts, np.int64), np.array(offsets, np.int64))


@inner
def spread(source, start, height, width, row_step, step, run, to, all_columns):
    """run[to:] = the plane (height, width) at `start`, row_step rows and `step` columns apart in rows of all_columns; the rest is left."""
    if row_step == step == 1 and width == all_columns:
        copy_run(run, to, 1, source, start, 1, height * width)
    else:
        for i in range(height):
            copy_run(run, to + i * row_step * all_columns, step, source, start + i * width, 1, width)


@inner
def load_runs(source, start, height, width, runs, shifts, rows, columns, apart, sizes):
    """The run of each shift of the plane (height, width) at `start`, within (rows, columns): of its columns, those so far `apart`."""
    _, margin, pitch = sizes
    for s in range(len(shifts)):
        to, shift = s * pitch + margin, shifts[s] // apart
        if apart == 1:
            spread(source, start, height, width, 1, 1, runs, to, columns)
        else:
            copy_run(runs, to, 1, source, start + shifts[s] % apart, apart, rows * columns)
        begin, end = max(0, columns + shift) if shift < 0 else 0, columns if shift < 0 else shift
        for i in range(rows):
            for j in range(begin, end):
                runs[to + i * columns + j] = 0


@njit
def depthwise_runs(
    counter, source, weight, out, channels, shifts, taps, source_size, out_size, size, step, apart, sizes, lanes
):
    """One thread. As `depthwise`: the planes (source_size), in planes `size`, give (out_size), `step` apart in it."""
    plane, _, pitch = sizes
    rows, columns = size[0], size[1] // apart
    height, width = source_size
    vector = ROW_VECTORS * lanes
    runs = np.zeros(len(shifts) * pitch, source.dtype)
    flat = np.empty(plane + vector, source.dtype)
    count = len(taps)
    planes, out_plane = len(source) // (height * width), out_size[0] * out_size[1]
    group = max(4, 4096 // plane)  # planes a task: a small one would be over before the other threads had theirs
    tasks = -(-planes // group)
    task = take(counter, tasks)
    while task < tasks:
        for p in range(task * group, min(planes, (task + 1) * group)):
            load_runs(source, p * height * width, height, width, runs, shifts, rows, columns, apart, sizes)
            mine = weight[p % channels * count : (p % channels + 1) * count]
            for q in range(0, plane, vector):
                row_tile(flat, q, runs, q, taps, mine, 0, count)
            if step == 1 and out_size[1] == columns:
                copy_run(out, p * out_plane, 1, flat, 0, 1, out_plane)
            else:
                for i in range(out_size[0]):
                    copy_run(
                        out, p * out_plane + i * out_size[1], 1, flat, i * step * columns, step // apart, out_size[1]
                    )  # fmt: skip
        task = take(counter, tasks)


@njit
def depthwise_runs_weight(
    counter, image, grad, out, channels, shifts, taps, size, grad_size, step, apart, sizes, lanes
):
    """One thread. As `depthwise_weight`."""
    plane, _, pitch = sizes
    rows, columns = size[0], size[1] // apart
    height, width = grad_size
    image_plane = size[0] * size[1]
    runs = np.zeros(len(shifts) * pitch, image.dtype)
    flat = np.zeros(plane + lanes, image.dtype)
    batch = len(image) // (image_plane * channels)
    c = take(counter, channels)
    while c < channels:
        for n in range(batch):
            p = n * channels + c
            load_runs(image, p * image_plane, rows, columns, runs, shifts, rows, columns, apart, sizes)
            spread(grad, p * height * width, height, width, step, step // apart, flat, 0, columns)
            for t in range(0, len(taps), DOT_TAPS):
                valid = min(DOT_TAPS, len(taps) - t)
                dot_taps(out, c * len(taps) + t, flat, runs, taps, t, valid, (plane + lanes - 1) // lanes)
        c = take(counter, channels)


@njit
def depthwise(counter, source, weight, out, channels, phases, taps, order, runs, sizes):
    """One thread. source (planes, *size) -> out (planes, *out size), flat; weight (channels, filter), plane p using p % channels."""
    (
        height, width, out_height, out_width, row_stride, column_stride, row_step, column_step, positions, rows, pitch, span,
        top, left, lanes,
    ) = sizes  # fmt: skip
    vector = ROW_VECTORS * lanes
    plane = (rows + span) * pitch
    copy = np.zeros(len(phases) // 2 * plane + vector, source.dtype)
    flat = np.empty(rows * pitch + vector, source.dtype)
    mine = np.empty(len(taps), source.dtype)
    filter_size = len(weight) // channels
    planes = len(source) // (height * width)
    step = 4  # planes a task
    tasks = -(-planes // step)
    task = take(counter, tasks)
    while task < tasks:
        for p in range(task * step, min(planes, (task + 1) * step)):
            for t in range(len(taps)):
                mine[t] = weight[p % channels * filter_size + order[t]]
            for r0 in range(0, positions, rows):
                seen = min(rows, positions - r0) + span
                for phase in range(len(phases) // 2):
                    copy_band(
                        source, p * height * width, height, width, r0 * row_stride + top + phases[2 * phase],
                        left + phases[2 * phase + 1], row_stride, column_stride, copy, phase * plane, seen, pitch,
                    )  # fmt: skip
                for run in range(0, len(runs), 6):
                    first, end, row, column, run_rows, run_columns = runs[run : run + 6]
                    count = min(rows, run_rows - r0)
                    for q in range(0, (count - 1) * pitch + run_columns if count > 0 else 0, vector):
                        row_tile(flat, q, copy, q, taps, mine, first, end - first)
                    for i in range(count):
                        to = (p * out_height + (r0 + i) * row_step + row) * out_width + column
                        copy_run(out, to, column_step, flat, i * pitch, 1, run_columns)
        task = take(counter, tasks)


@njit
def depthwise_weight(counter, image, grad, out, channels, phases, taps, sizes):
    """One thread. out (channels, filter) += the sum over images and positions of grad (planes, *positions) * image (planes, *size).

    Both flat. A channel is a task, so that its sum has one order.
    """
    height, width, _, _, row_stride, column_stride, _, _, positions, rows, pitch, span, top, left, lanes = sizes
    plane = (rows + span) * pitch
    copy = np.zeros(len(phases) // 2 * plane + pitch + lanes, image.dtype)  # the last tap looks beyond the last row
    flat = np.zeros(rows * pitch + lanes, image.dtype)
    batch = len(image) // (height * width * channels)
    columns = len(grad) // (batch * channels * positions)
    c = take(counter, channels)
    while c < channels:
        for n in range(batch):
            p = n * channels + c
            for r0 in range(0, positions, rows):
                count = min(rows, positions - r0)
                for phase in range(len(phases) // 2):
                    copy_band(
                        image, p * height * width, height, width, r0 * row_stride + top + phases[2 * phase],
                        left + phases[2 * phase + 1], row_stride, column_stride, copy, phase * plane, count + span, pitch,
                    )  # fmt: skip
                copy_band(grad, p * positions * columns, positions, columns, r0, 0, 1, 1, flat, 0, count, pitch)
                for i in range(count * pitch, count * pitch + lanes):
                    flat[i] = 0
                for t in range(0, len(taps), DOT_TAPS):
                    valid = min(DOT_TAPS, len(taps) - t)
                    dot_taps(out, c * len(taps) + t, flat, copy, taps, t, valid, (count * pitch + lanes - 1) // lanes)
        c = take(counter, channels)
