"""The ways to compute a convolution: the tables for its kernel, and the threads that run it. depthwise_ways.py has more.

Each is a function of the problem's sizes, the two arrays that are given and the one that is filled, all of them contiguous;
`conv.py` chooses.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from . import blas, crossovers, threads
from .channels import correlate_channels, layout, pack_weight, sum_weight, unpack_weight
from .correlate import correlate, correlate_input, correlate_weight, pack_rows, pack_taps
from .geometry import grid, plan
from .jit import plain
from .simd import BITS, ROWS, VECTORS
from .winograd import apart, tile_rows_per_task, transform_weight, winograd
from .winograd_weight import sum_products, transform_filters_back

PARTIAL_SUMS = 2**20  # elements that the partial sums of a weight's gradient may have, if one is not larger already
TILES = 448  # whose products are summed in one go: the sum over the lanes at the end of each then costs little


class Problem(NamedTuple):
    """One convolution in three dimensions. inputs, outputs: channels per group."""

    batch: int
    groups: int
    inputs: int
    outputs: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    out_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
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


@lru_cache(1024)
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


def pixels_in_lanes(p: Problem, channels: int) -> bool:
    """Whether too few of the lanes would hold one of the result's `channels`."""
    return p.planar and channels < crossovers.CHANNELS


# One by one: matrix products.


def seen(p: Problem, image):
    """The pixels that a 1 x 1 kernel sees, as matrices (N, C, pixels): a copy at a stride, which is what the result has the size of."""
    strides = p.stride[3 - (image.ndim - 2) :]
    if p.stride != (1, 1, 1):
        image = plain(image[(..., *[slice(None, None, s) for s in strides])])
    return image.reshape(p.batch, p.inputs, -1)


def pointwise_forward(p: Problem, input, weight, out) -> None:
    blas.matmul_into(out.reshape(p.batch, p.outputs, -1), weight.reshape(p.outputs, -1), seen(p, input))


def pointwise_input(p: Problem, grad, weight, out) -> None:
    matrix, grad = weight.reshape(p.outputs, -1).T, grad.reshape(p.batch, p.outputs, -1)
    if p.stride == (1, 1, 1):
        blas.matmul_into(out.reshape(p.batch, p.inputs, -1), matrix, grad)
        return
    out.fill(0)
    strides = p.stride[3 - (out.ndim - 2) :]
    reached = out[(..., *[slice(None, None, s) for s in strides])]
    reached[...] = blas.matmul(matrix, grad).reshape(reached.shape)


def pointwise_weight(p: Problem, input, grad, out) -> None:
    products = blas.matmul(grad.reshape(p.batch, p.outputs, -1), seen(p, input).mT)
    products.sum(0, out=out.reshape(p.outputs, p.inputs))


def taps_of(p: Problem, axis: int, phase: int) -> list:
    """(offset, k) of the taps along one axis that reach the input positions phase, phase + stride, .. from the output."""
    s, d, a = p.stride[axis], p.dilation[axis], p.padding[axis]
    return [((phase + a - k * d) // s, k) for k in range(p.kernel[axis]) if (phase + a - k * d) % s == 0]


# Channels in the lanes.


def pack_panels(p: Problem, weight, channels, steps, places, pitches):
    """The weight in panels of the register tile, see pack_weight; channels: (outputs, inputs) of the correlation."""
    outputs, inputs = channels
    width = VECTORS * p.lanes
    panels = np.empty(p.groups * -(-outputs // width) * width * inputs * len(places), weight.dtype)
    threads.run(
        pack_weight, threads.threads_for(20 * panels.size), weight.reshape(-1), panels, (p.groups, *channels), steps, places,
        pitches, p.lanes,
    )  # fmt: skip
    return panels


def channels_forward(p: Problem, input, weight, out) -> None:
    taps = prod(p.kernel)
    offsets = tuple(tuple(k * d - a for k in range(n)) for n, d, a in zip(p.kernel, p.dilation, p.padding, strict=True))
    channels, number = (p.batch, p.groups, p.inputs, p.outputs), threads.threads_for(p.work)
    plan = layout(channels, p.size, p.out_size, offsets, p.stride, p.lanes, p.itemsize, number)
    steps = (p.outputs * p.inputs * taps, p.inputs * taps, taps)
    panels = pack_panels(p, weight, (p.outputs, p.inputs), steps, np.arange(taps), np.full(taps, taps))
    threads.run(
        correlate_channels, number, input.reshape(-1), panels, 0, out.reshape(-1), *plan[1:],
        (*p.out_size, 0, 0, 0, 1, 1, 1), plan.sizes,
    )  # fmt: skip


class Phases(NamedTuple):
    """The correlations that give the gradient of the input: (first panel, phase, positions, offsets) of each, and where
    each tap of the filter stands in the panels, see pack_weight."""

    runs: tuple
    places: np.ndarray
    pitches: np.ndarray


@lru_cache(256)
def phases_of(p: Problem) -> Phases:
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
    return Phases(tuple(runs), places, pitches)


def channels_input(p: Problem, grad, weight, out) -> None:
    """One correlation for each phase of the stride; zero where no tap reaches."""
    runs, places, pitches = phases_of(p)
    if len(runs) < prod(p.stride):
        out.fill(0)
    taps = prod(p.kernel)
    steps = (p.outputs * p.inputs * taps, taps, p.inputs * taps)
    panels = pack_panels(p, weight, (p.inputs, p.outputs), steps, places, pitches)
    number = threads.threads_for(p.work / max(1, len(runs)))
    for start, phase, positions, offsets in runs:
        channels = (p.batch, p.groups, p.outputs, p.inputs)
        plan = layout(channels, p.out_size, positions, offsets, (1, 1, 1), p.lanes, p.itemsize, number)
        threads.run(
            correlate_channels, number, grad.reshape(-1), panels, start, out.reshape(-1), *plan[1:],
            (*p.size, *phase, *p.stride), plan.sizes,
        )  # fmt: skip


def channels_weight(p: Problem, input, grad, out) -> None:
    offsets = tuple(tuple(k * d - a for k in range(n)) for n, d, a in zip(p.kernel, p.dilation, p.padding, strict=True))
    channels = (p.batch, p.groups, p.inputs, p.outputs)
    plan = layout(channels, p.size, p.out_size, offsets, p.stride, p.lanes, p.itemsize, 1)
    width, steps = VECTORS * p.lanes, len(plan.taps)
    size = p.groups * -(-p.outputs // width) * steps * width
    images, _, bands = plan.sizes[13:16]
    places = -(-p.batch // images) * p.out_size[0] * bands
    chunks = max(1, min(16, places, PARTIAL_SUMS // size))
    parts = -(-threads.threads_for(p.work) // (chunks * p.groups))
    block = -(-p.inputs // parts)
    block = -(-block // ROWS) * ROWS
    partial = np.zeros(chunks * size, input.dtype)
    threads.run(
        sum_weight, threads.threads_for(p.work), input.reshape(-1), grad.reshape(-1), partial, chunks, block, *plan[1:],
        plan.sizes,
    )  # fmt: skip
    threads.run(
        unpack_weight, threads.threads_for(20 * partial.size), partial, out.reshape(-1), chunks, p.groups, p.outputs,
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
    out.fill(0)
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


# Few channels: the pixels of a block as channels.


def block_of(p: Problem) -> tuple[int, ...]:
    """How many pixels of the image, along each dimension, together have about as many channels as a register tile takes."""
    block = list(p.stride)
    if p.dilation == (1, 1, 1):
        block[2] *= max(1, (ROWS if p.planar else VECTORS * p.lanes) // (p.inputs * prod(block)))
    return tuple(block)


class Taps(NamedTuple):
    """Along one dimension: the correlation that gives every pixel of a block."""

    first: int  # where its first tap looks
    step: int
    stride: int  # from block to block
    table: np.ndarray  # (pixel of the block, tap) -> tap of the kernel, or one too many where there is none


@lru_cache(256)
def block_taps(block: int, kernel: int, stride: int, dilation: int) -> Taps:
    """Output j reached pixel block * i + r of the padded image through tap k where j = block / stride * i + (r - k * dilation) / stride."""
    found = [
        ((r - k * dilation) // stride, r, k)
        for r, k in product(range(block), range(kernel))
        if (r - k * dilation) % stride == 0
    ]
    first = min(offset for offset, _, _ in found)
    step = gcd(*[offset - first for offset, _, _ in found]) or 1
    table = np.full((block, 1 + (max(found)[0] - first) // step), kernel)
    for offset, r, k in found:
        table[r, (offset - first) // step] = k
    return Taps(first, step, block // stride, table)


def blocks_input(p: Problem, grad, weight, out) -> None:
    """The gradient of an image of few channels, which would leave most rows or lanes of a register tile empty.

    Blocks of pixels, at least as large as the stride, become the channels of one correlation of the output's gradient: from
    block to block all pixels of one place in the block see the same taps. (W. Shi et al., "Is the deconvolution layer the
    same as a convolutional layer?", 2016.)
    """
    block = block_of(p)
    taps = [block_taps(*sizes) for sizes in zip(block, p.kernel, p.stride, p.dilation, strict=True)]
    blocks = tuple(-(-(n + a) // b) for n, a, b in zip(p.size, p.padding, block, strict=True))
    counts = tuple(t.table.shape[1] for t in taps)
    zero = [(0, 0)] * 3 + [(0, 1)] * 3  # after the last tap: what a pixel sees through a tap that it does not have
    panel = np.pad(weight.reshape(p.groups, p.outputs, p.inputs, *p.kernel).swapaxes(1, 2), zero)
    for axis, t in zip(
        (3, 5, 7), taps, strict=True
    ):  # to (groups, inputs, outputs, pixel, tap, pixel, tap, pixel, tap)
        panel = panel.take(t.table, axis=axis)
    panel = plain(panel.transpose(0, 1, 3, 5, 7, 2, 4, 6, 8))
    turned = p._replace(
        inputs=p.outputs, outputs=p.inputs * prod(block), size=p.out_size, kernel=counts, out_size=blocks,
        stride=tuple(t.stride for t in taps), padding=tuple(-t.first for t in taps), dilation=tuple(t.step for t in taps),
    )  # fmt: skip
    found: Any = np.empty((p.batch, p.groups * p.inputs, *block, *blocks), grad.dtype)
    way = pixels_forward if pixels_in_lanes(turned, turned.outputs) else channels_forward
    way(turned, grad, panel, found)
    image = out.reshape(p.batch, p.groups * p.inputs, *p.size)
    for place in product(*map(range, block)):
        first = [-(-(a - r) // b) if a > r else 0 for r, a, b in zip(place, p.padding, block, strict=True)]
        start = [b * i + r - a for i, r, a, b in zip(first, place, p.padding, block, strict=True)]
        steps: tuple[Any, ...] = tuple(slice(s, None, b) for s, b in zip(start, block, strict=True))
        target = image[..., *steps]
        parts = tuple(slice(i, i + n) for i, n in zip(first, target.shape[2:], strict=True))
        target[...] = found[:, :, *place, *parts]


# Winograd.


def run_winograd(image, weight, out, channels, padding, start, steps) -> None:
    """Correlate the image with filters taken out of the flat weight; see transform_weight for start and steps."""
    batch, groups, inputs, outputs = channels
    size, out_size = image.shape[-2:], out.shape[-2:]
    lanes = BITS // (8 * image.itemsize)
    panels = np.empty(16 * apart(groups * -(-outputs // ROWS) * inputs * ROWS), image.dtype)
    threads.run(
        transform_weight, threads.threads_for(80 * weight.size), weight.reshape(-1), panels, groups, outputs, inputs,
        start, steps,
    )  # fmt: skip
    tile_rows, tile_columns = -(-out_size[0] // 2), -(-out_size[1] // 2)
    rows = tile_rows_per_task(batch * tile_rows, tile_columns, VECTORS * lanes, inputs * outputs)
    threads.run(
        winograd, threads.threads_for(5 * out.size * inputs), image.reshape(-1), panels, out.reshape(-1), channels,
        size, out_size, padding, rows, lanes,
    )  # fmt: skip


def again_directly(direct, p: Problem, source, weight, out) -> None:
    """Convolve those images again whose result is not finite: Winograd's tiles spread what is not. Each image's result
    depends on nothing but this image."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = out.reshape(p.batch, -1).sum(1)
    for n in np.flatnonzero(~np.isfinite(sums)):
        direct(p._replace(batch=1), source[n : n + 1], weight, out[n : n + 1])


def winograd_forward(p: Problem, input, weight, out) -> None:
    steps = (weight.size // p.groups, 9 * p.inputs, 9, 3, 1)
    run_winograd(input, weight, out, (p.batch, p.groups, p.inputs, p.outputs), p.padding[1:], 0, steps)
    again_directly(channels_forward, p, input, weight, out)


def winograd_input(p: Problem, grad, weight, out) -> None:
    """The same with the filters turned round, input and output channels swapped."""
    steps = (weight.size // p.groups, 9, 9 * p.inputs, -3, -1)
    reach = (2 - p.padding[1], 2 - p.padding[2])
    run_winograd(grad, weight, out, (p.batch, p.groups, p.outputs, p.inputs), reach, 8, steps)
    again_directly(channels_input, p, grad, weight, out)


def winograd_weight(p: Problem, input, grad, out) -> None:
    channels = (p.batch, p.groups, p.inputs, p.outputs)
    filters = p.groups * p.outputs * p.inputs
    tile_rows, tile_columns = -(-p.out_size[1] // 2), -(-p.out_size[2] // 2)
    rows = max(1, min(TILES // tile_columns, p.batch * tile_rows))
    bands = -(-p.batch * tile_rows // rows)
    chunks = max(1, min(16, bands, PARTIAL_SUMS // (16 * filters)))
    partial = np.zeros((chunks, 16, filters), input.dtype)
    threads.run(
        sum_products, threads.threads_for(6 * grad.size * p.inputs), input.reshape(-1), grad.reshape(-1),
        partial.reshape(-1), chunks, np.arange(-(-rows * tile_columns // p.lanes)) * p.lanes, channels, p.size[1:],
        p.out_size[1:], p.padding[1:], rows, p.lanes,
    )  # fmt: skip
    threads.run(
        transform_filters_back, threads.threads_for(1000 * chunks * filters), partial.reshape(-1), out.reshape(-1), chunks, 1024
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(out.sum()):
            channels_weight(p, input, grad, out)
