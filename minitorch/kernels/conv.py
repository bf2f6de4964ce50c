"""Convolution and its two gradients in Numba, in one, two and three dimensions: which kernel runs, and on what tables.

All three are correlations. Forward, output position i sees the input positions i * stride - padding + k * dilation.
For the input's gradient the roles change: input position h received from output positions i with

    h = i * stride - padding + k * dilation

so h = i' * stride + a sees, for each phase a of the stride, a few of the taps at stride 1: one correlation of the
output's gradient with these taps per phase, stored into every stride-th place. Fewer dimensions than three
are three of which the first have size 1.

    depthwise.py     one channel in, one out                 correlate.py   few output channels: pixels in the lanes
    winograd.py      3 x 3 at stride 1, enough tiles         channels.py    all others: channels in the lanes
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from . import crossovers, threads
from .channels import correlate_channels, layout, pack_weight, sum_weight, unpack_weight
from .correlate import correlate, correlate_input, correlate_weight, pack_rows, pack_taps
from .depthwise import bands, depthwise, depthwise_weight
from .geometry import grid, plan
from .jit import plain
from .matmul import matmul, matmul_into
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS
from .winograd import apart, tile_rows_per_task, transform_weight, winograd
from .winograd_weight import sum_products, transform_filters_back

PARTIAL_SUMS = 2**20  # elements that the partial sums of a weight's gradient may have, if one is not larger already
TILES = 448  # whose products are summed in one go: the sum over the lanes at the end of each then costs little

__all__ = ["conv", "conv_input", "conv_weight"]


class Problem(NamedTuple):
    """One convolution in three dimensions. inputs, outputs: channels per group."""

    batch: int
    groups: int
    inputs: int
    outputs: int
    size: tuple[int, int, int]
    kernel: tuple[int, int, int]
    out_size: tuple[int, int, int]
    stride: tuple[int, int, int]
    padding: tuple[int, int, int]
    dilation: tuple[int, int, int]
    lanes: int
    itemsize: int

    @property
    def work(self) -> int:
        """Multiply-adds."""
        return self.batch * self.groups * self.outputs * prod(self.out_size) * self.inputs * prod(self.kernel)

    @property
    def planar(self) -> bool:
        """Whether the first of the three dimensions is none."""
        return self.size[0] == self.kernel[0] == self.out_size[0] == 1 and self.padding[0] == 0


def lift(values, filler: int) -> tuple:
    return (filler,) * (3 - len(values)) + tuple(values)


def problem(input_shape, weight_shape, out_size, stride, padding, dilation, groups, itemsize) -> Problem:
    batch, _, *size = input_shape
    outputs, inputs, *kernel = weight_shape
    return Problem(
        batch, groups, inputs, outputs // groups, lift(size, 1), lift(kernel, 1), lift(out_size, 1), lift(stride, 1),
        lift(padding, 0), lift(dilation, 1), BITS // (8 * itemsize), itemsize,
    )  # fmt: skip


def window(size: int, padding: int, dilation: int, stride: int, kernel: int) -> int:
    """How many times a kernel fits along one axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


# Which kernel.


def worth_winograd(p: Problem, tiles: int, least: int) -> bool:
    """Whether there are enough tiles to pay for the filters' transform, and enough channels to pay for the tiles'."""
    fits = p.planar and p.kernel == (1, 3, 3) and p.stride == (1, 1, 1) and p.dilation == (1, 1, 1)
    return fits and min(p.inputs, p.outputs) >= 16 and p.inputs * p.outputs >= 512 and tiles >= least


def tiles_of(batch: int, size) -> int:
    return batch * -(-size[1] // 2) * -(-size[2] // 2)


def pixels_in_lanes(p: Problem, channels: int) -> bool:
    """Whether too few of the lanes would hold one of the result's `channels`."""
    return p.planar and channels < crossovers.CHANNELS


def single_channels(p: Problem) -> bool:
    """Whether the convolution is depthwise: one channel in and one out in every group of a plane."""
    return p.planar and p.inputs == p.outputs == 1


def pointwise(p: Problem) -> bool:
    """Whether the convolution is one product of matrices for each image, (O, C) times (C, pixels)."""
    ones = p.kernel == p.stride == (1, 1, 1) and p.padding == (0, 0, 0)
    return ones and p.groups == 1 and min(p.inputs, p.outputs) >= ROWS


def fills_vectors(p: Problem) -> bool:
    """Whether the pixels of an image leave few lanes empty in such a product, or are too few to be worth another kernel."""
    pixels = prod(p.size)
    return pixels <= crossovers.POINTWISE or pixels % (VECTORS * p.lanes) == 0


# One by one: matrix products.


def pointwise_forward(p: Problem, input, weight, out) -> None:
    matmul_into(
        out.reshape(p.batch, p.outputs, -1), weight.reshape(p.outputs, -1), input.reshape(p.batch, p.inputs, -1)
    )


def pointwise_input(p: Problem, grad, weight, out) -> None:
    matmul_into(
        out.reshape(p.batch, p.inputs, -1), weight.reshape(p.outputs, -1).T, grad.reshape(p.batch, p.outputs, -1)
    )


def pointwise_weight(p: Problem, input, grad, out) -> None:
    products = matmul(grad.reshape(p.batch, p.outputs, -1), input.reshape(p.batch, p.inputs, -1).mT)
    products.sum(0, out=out.reshape(p.outputs, p.inputs))


# Depthwise.


def taps_of(p: Problem, axis: int, phase: int) -> list:
    """(offset, k) of the taps along one axis that reach the input positions phase, phase + stride, .. from the output."""
    s, d, a = p.stride[axis], p.dilation[axis], p.padding[axis]
    return [((phase + a - k * d) // s, k) for k in range(p.kernel[axis]) if (phase + a - k * d) % s == 0]


def depthwise_bands(p: Problem):
    taps = tuple(
        (y * p.dilation[1] - p.padding[1], x * p.dilation[2] - p.padding[2], y * p.kernel[2] + x)
        for y, x in product(range(p.kernel[1]), range(p.kernel[2]))
    )
    return bands(p.size[1:], p.out_size[1:], (((0, 0), p.out_size[1:], taps),), p.stride[1:], (1, 1), p.lanes)


def depthwise_forward(p: Problem, input, weight, out) -> None:
    tables = depthwise_bands(p)
    threads.run(
        depthwise, threads.threads_for(4 * p.work), input.reshape(-1), weight.reshape(-1), out.reshape(-1), p.groups,
        *tables[1:], tables.sizes,
    )  # fmt: skip


def depthwise_input(p: Problem, grad, weight, out) -> None:
    runs = []
    for phase in product(*map(range, p.stride[1:])):
        taps = tuple(
            (row, column, y * p.kernel[2] + x)
            for (row, y), (column, x) in product(taps_of(p, 1, phase[0]), taps_of(p, 2, phase[1]))
        )
        positions = tuple(-(-(n - a) // s) for n, a, s in zip(p.size[1:], phase, p.stride[1:], strict=True))
        if taps and min(positions) > 0:
            runs.append((phase, positions, taps))
    if runs:
        tables = bands(p.out_size[1:], p.size[1:], tuple(runs), (1, 1), p.stride[1:], p.lanes)
        threads.run(
            depthwise, threads.threads_for(4 * p.work), grad.reshape(-1), weight.reshape(-1), out.reshape(-1), p.groups,
            *tables[1:], tables.sizes,
        )  # fmt: skip


def depthwise_weights(p: Problem, input, grad, out) -> None:
    tables = depthwise_bands(p)
    out.fill(0)
    threads.run(
        depthwise_weight, threads.threads_for(4 * p.work), input.reshape(-1), grad.reshape(-1), out.reshape(-1), p.groups,
        tables.phases, tables.taps, tables.sizes,
    )  # fmt: skip


# Channels in the lanes.


def pack_panels(p: Problem, weight, channels, steps, places, pitches):
    """The weight in panels of the register tile, see pack_weight; channels: (outputs, inputs) of the correlation."""
    outputs, inputs = channels
    width = VECTORS * p.lanes
    panels = np.empty(p.groups * -(-outputs // width) * width * inputs * len(places), weight.dtype)
    threads.run(
        pack_weight, threads.threads_for(4 * panels.size), weight.reshape(-1), panels, (p.groups, *channels), steps, places,
        pitches, p.lanes,
    )  # fmt: skip
    return panels


def channels_forward(p: Problem, input, weight, out) -> None:
    taps = prod(p.kernel)
    offsets = tuple(tuple(k * d - a for k in range(n)) for n, d, a in zip(p.kernel, p.dilation, p.padding, strict=True))
    plan = layout((p.batch, p.groups, p.inputs, p.outputs), p.size, p.out_size, offsets, p.stride, p.lanes, p.itemsize)
    steps = (p.outputs * p.inputs * taps, p.inputs * taps, taps)
    panels = pack_panels(p, weight, (p.outputs, p.inputs), steps, np.arange(taps), np.full(taps, taps))
    threads.run(
        correlate_channels, threads.threads_for(p.work), input.reshape(-1), panels, 0, out.reshape(-1), *plan[1:],
        (*p.out_size, 0, 0, 0, 1, 1, 1), plan.sizes,
    )  # fmt: skip


def channels_input(p: Problem, grad, weight, out) -> None:
    """One correlation for each phase of the stride; `out` is zero where no tap reaches."""
    taps, width = prod(p.kernel), VECTORS * p.lanes
    blocks = p.groups * -(-p.inputs // width)
    places, pitches, runs, first = np.full(taps, -1), np.zeros(taps, np.int64), [], 0
    for phase in product(*map(range, p.stride)):
        seen = [taps_of(p, axis, a) for axis, a in enumerate(phase)]
        positions = tuple(-(-(n - a) // s) for n, a, s in zip(p.size, phase, p.stride, strict=True))
        if min(map(len, seen)) == 0 or min(positions) <= 0:
            continue
        offsets = tuple(tuple(offset for offset, _ in axis) for axis in seen)
        mine = [(z * p.kernel[1] + y) * p.kernel[2] + x for (_, z), (_, y), (_, x) in product(*seen)]
        places[mine], pitches[mine] = first + np.arange(len(mine)), len(mine)
        runs.append((first * width, phase, positions, offsets))
        first += blocks * p.outputs * len(mine)
    steps = (p.outputs * p.inputs * taps, taps, p.inputs * taps)
    panels = pack_panels(p, weight, (p.inputs, p.outputs), steps, places, pitches)
    for start, phase, positions, offsets in runs:
        channels = (p.batch, p.groups, p.outputs, p.inputs)
        plan = layout(channels, p.out_size, positions, offsets, (1, 1, 1), p.lanes, p.itemsize)
        threads.run(
            correlate_channels, threads.threads_for(p.work / len(runs)), grad.reshape(-1), panels, start, out.reshape(-1),
            *plan[1:], (*p.size, *phase, *p.stride), plan.sizes,
        )  # fmt: skip


def channels_weight(p: Problem, input, grad, out) -> None:
    offsets = tuple(tuple(k * d - a for k in range(n)) for n, d, a in zip(p.kernel, p.dilation, p.padding, strict=True))
    channels = (p.batch, p.groups, p.inputs, p.outputs)
    plan = layout(channels, p.size, p.out_size, offsets, p.stride, p.lanes, p.itemsize)
    width, steps = VECTORS * p.lanes, len(plan.taps)
    size = p.groups * -(-p.outputs // width) * steps * width
    images, _, bands = plan.sizes[13:16]
    places = -(-p.batch // images) * p.out_size[0] * bands
    chunks = max(1, min(16, places, PARTIAL_SUMS // size))
    parts = -(-4 // (chunks * p.groups))
    block = -(-p.inputs // parts)
    block = -(-block // ROWS) * ROWS
    partial = np.zeros(chunks * size, input.dtype)
    threads.run(
        sum_weight, threads.threads_for(p.work), input.reshape(-1), grad.reshape(-1), partial, chunks, block, *plan[1:],
        plan.sizes,
    )  # fmt: skip
    threads.run(
        unpack_weight, threads.threads_for(4 * partial.size), partial, out.reshape(-1), chunks, p.groups, p.outputs,
        p.inputs * prod(p.kernel), steps, p.lanes,
    )  # fmt: skip


# Pixels in the lanes.


def plan_forward(p: Problem):
    """The tables of a convolution in the plane: output pixel (0, 0) sees the pixels -padding + k * dilation."""
    taps = [tuple(range(-a, k * d - a, d)) for k, d, a in zip(p.kernel[1:], p.dilation[1:], p.padding[1:], strict=True)]
    channels = (p.batch, p.groups, p.inputs, p.outputs)
    return plan(*taps, p.stride[1:], channels, p.size[1:], p.out_size[1:], p.lanes, p.itemsize)


def gradient_places(tables):
    """Where the vectors of one task lie in the output's gradient, the distance between its channels, and whether it must
    be copied for that, to rows of whole vectors that end in zeros."""
    g = tables.geometry
    pitch, plane = g.row_vectors * g.lanes, g.out_height * g.out_width
    if pitch == g.out_width:
        return tables.places(g.groups * g.outputs * plane, g.out_width), plane, False
    return tables.places(g.outputs * g.rows * pitch, pitch), g.rows * pitch, True


def pixels_forward(p: Problem, input, weight, out) -> None:
    tables = plan_forward(p)
    g = tables.geometry
    plane, pitch = g.out_height * g.out_width, g.row_vectors * g.lanes
    direct = pitch == g.out_width
    places = tables.places(p.groups * p.outputs * plane if direct else p.outputs * g.rows * pitch, pitch)
    panels = pack_rows(weight.reshape(-1), p.groups, g.outputs, p.inputs * prod(p.kernel))
    threads.run(
        correlate, threads.threads_for(p.work), input.reshape(-1), panels, out.reshape(-1), tables.positions, places,
        tables.taps, tables.phases, tuple(g), int(direct),
    )  # fmt: skip


def pixels_input(p: Problem, grad, weight, out) -> None:
    tables = plan_forward(p)
    places, channel_step, copies = gradient_places(tables)
    panels = pack_taps(weight.reshape(-1), p.groups, p.outputs, p.inputs, prod(p.kernel))
    threads.run(
        correlate_input, threads.threads_for(p.work), grad.reshape(-1), panels, out.reshape(-1), tables.positions, places,
        grid((p.outputs, channel_step)), tables.taps, tables.phases, tuple(tables.geometry), int(copies),
    )  # fmt: skip


def pixels_weight(p: Problem, input, grad, out) -> None:
    tables = plan_forward(p)
    places, _, copies = gradient_places(tables)
    chunks = max(1, min(16, -(-p.batch // tables.geometry.images), PARTIAL_SUMS // out.size))
    partial = np.zeros((chunks, *out.shape), input.dtype)
    threads.run(
        correlate_weight, threads.threads_for(p.work), input.reshape(-1), grad.reshape(-1), partial.reshape(-1), chunks,
        tables.positions, places, tables.taps, tables.phases, tuple(tables.geometry), int(copies),
    )  # fmt: skip
    partial.sum(0, out=out)


# Winograd.


def run_winograd(image, weight, out, channels, padding, start, steps) -> None:
    """Correlate the image with filters taken out of the flat weight; see transform_weight for start and steps."""
    batch, groups, inputs, outputs = channels
    size, out_size = image.shape[-2:], out.shape[-2:]
    lanes = BITS // (8 * image.itemsize)
    panels = np.empty(16 * apart(groups * -(-outputs // ROWS) * inputs * ROWS), image.dtype)
    threads.run(
        transform_weight, threads.threads_for(32 * weight.size), weight.reshape(-1), panels, groups, outputs, inputs,
        start, steps,
    )  # fmt: skip
    tile_rows, tile_columns = -(-out_size[0] // 2), -(-out_size[1] // 2)
    rows = tile_rows_per_task(batch * tile_rows, tile_columns, VECTORS * lanes, inputs * outputs)
    threads.run(
        winograd, threads.threads_for(4 * out.size * inputs), image.reshape(-1), panels, out.reshape(-1), channels,
        size, out_size, padding, rows, lanes,
    )  # fmt: skip


def winograd_forward(p: Problem, input, weight, out) -> None:
    steps = (weight.size // p.groups, 9 * p.inputs, 9, 3, 1)
    run_winograd(input, weight, out, (p.batch, p.groups, p.inputs, p.outputs), p.padding[1:], 0, steps)


def winograd_input(p: Problem, grad, weight, out) -> None:
    """The same with the filters turned round, input and output channels swapped."""
    steps = (weight.size // p.groups, 9, 9 * p.inputs, -3, -1)
    reach = (2 - p.padding[1], 2 - p.padding[2])
    run_winograd(grad, weight, out, (p.batch, p.groups, p.outputs, p.inputs), reach, 8, steps)


def winograd_weight(p: Problem, input, grad, out) -> None:
    channels = (p.batch, p.groups, p.inputs, p.outputs)
    filters = p.groups * p.outputs * p.inputs
    tile_rows, tile_columns = -(-p.out_size[1] // 2), -(-p.out_size[2] // 2)
    rows = max(1, min(TILES // tile_columns, p.batch * tile_rows))
    bands = -(-p.batch * tile_rows // rows)
    chunks = max(1, min(16, bands, PARTIAL_SUMS // (16 * filters)))
    partial = np.zeros((chunks, 16, filters), input.dtype)
    threads.run(
        sum_products, threads.threads_for(4 * grad.size * p.inputs), input.reshape(-1), grad.reshape(-1),
        partial.reshape(-1), chunks, np.arange(-(-rows * tile_columns // p.lanes)) * p.lanes, channels, p.size[1:],
        p.out_size[1:], p.padding[1:], rows, p.lanes,
    )  # fmt: skip
    threads.run(
        transform_filters_back, threads.threads_for(64 * chunks * filters), partial.reshape(-1), out.reshape(-1), chunks, 1024
    )  # fmt: skip


# The three operations.


@accelerates("conv1d")
@accelerates("conv2d")
@accelerates("conv3d")
def conv(input, weight, *, stride, padding, dilation, groups):
    """input (N, C, *size), weight (O, C / groups, *kernel) -> (N, O, *positions)."""
    input, weight = plain(input), plain(weight)
    out_size = tuple(map(window, input.shape[2:], padding, dilation, stride, weight.shape[2:]))
    shape = (len(input), len(weight), *out_size)
    if 0 in shape or weight.size == 0:
        return np.zeros(shape, input.dtype)
    out = np.empty(shape, input.dtype)
    p = problem(input.shape, weight.shape, out_size, stride, padding, dilation, groups, input.itemsize)
    if pointwise(p) and fills_vectors(p):
        pointwise_forward(p, input, weight, out)
    elif single_channels(p):
        depthwise_forward(p, input, weight, out)
    elif worth_winograd(p, tiles_of(p.batch, p.out_size), crossovers.WINOGRAD):
        winograd_forward(p, input, weight, out)
    elif pixels_in_lanes(p, p.outputs):
        pixels_forward(p, input, weight, out)
    else:
        channels_forward(p, input, weight, out)
    return out


@accelerates("conv1d_input")
@accelerates("conv2d_input")
@accelerates("conv3d_input")
def conv_input(grad, weight, *, size, stride, padding, dilation, groups):
    """grad (N, O, *positions), weight (O, C / groups, *kernel) -> the gradient of the input, of shape `size` (N, C, *size)."""
    grad, weight = plain(grad), plain(weight)
    if 0 in size or grad.size == 0 or weight.size == 0:
        return np.zeros(size, grad.dtype)
    p = problem(size, weight.shape, grad.shape[2:], stride, padding, dilation, groups, grad.itemsize)
    out = np.zeros(size, grad.dtype)
    if pointwise(p) and fills_vectors(p):
        pointwise_input(p, grad, weight, out)
    elif single_channels(p):
        depthwise_input(p, grad, weight, out)
    elif worth_winograd(p, tiles_of(p.batch, p.size), crossovers.WINOGRAD) and max(p.padding) <= 2:
        winograd_input(p, grad, weight, out)
    elif pixels_in_lanes(p, p.inputs):
        pixels_input(p, grad, weight, out)
    else:
        channels_input(p, grad, weight, out)
    return out


@accelerates("conv1d_weight")
@accelerates("conv2d_weight")
@accelerates("conv3d_weight")
def conv_weight(input, grad, *, size, stride, padding, dilation, groups):
    """input (N, C, *size), grad (N, O, *positions) -> the gradient of the weight, of shape `size` (O, C / groups, *kernel)."""
    input, grad = plain(input), plain(grad)
    if grad.size == 0 or input.size == 0 or 0 in size:
        return np.zeros(size, grad.dtype)
    out = np.empty(size, input.dtype)
    p = problem(input.shape, size, grad.shape[2:], stride, padding, dilation, groups, input.itemsize)
    if single_channels(p):
        depthwise_weights(p, input, grad, out)
    elif pointwise(p) and p.outputs <= prod(p.size):  # then the images' products are no larger than the images
        pointwise_weight(p, input, grad, out)
    elif worth_winograd(p, tiles_of(p.batch, p.out_size), crossovers.WINOGRAD_WEIGHT):
        winograd_weight(p, input, grad, out)
    elif pixels_in_lanes(p, p.outputs):
        pixels_weight(p, input, grad, out)
    else:
        channels_weight(p, input, grad, out)
    return out
