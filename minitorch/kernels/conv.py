"""conv2d and its two gradients in Numba: from torch's arguments to the tables that the compiled loops run on.

All three are correlations. Forward, output pixel (i, j) sees the input pixels (i * stride - padding + kh * dilation, ..).
For the input's gradient the roles change: input pixel h received from output pixels i with

    h = i * stride - padding + kh * dilation

so h = i' * stride + (a - padding) sees, for each phase a of the stride, a few of the taps at stride 1: one
correlation of the output's gradient with these taps, per phase, stored into every stride-th pixel.
"""

import numpy as np

from . import threads
from .correlate import correlate, correlate_input, correlate_weight, pack_rows, pack_taps
from .geometry import grid, plan
from .jit import plain
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS
from .winograd import apart, tile_rows_per_task, transform_weight, winograd
from .winograd_weight import sum_products, transform_filters_back

PARTIAL_SUMS = 2**20  # elements that the partial sums of a weight's gradient may have, if one is not larger already
TILES = 448  # whose products are summed in one go: the sum over the lanes at the end of each then costs little

__all__ = ["conv2d", "conv2d_input", "conv2d_weight"]


def window(size: int, padding: int, dilation: int, stride: int, kernel: int) -> int:
    """How many times a kernel fits along one axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def plan_forward(input_shape, weight_shape, out_size, stride, padding, dilation, groups, itemsize):
    """The tables of a convolution: output pixel (0, 0) sees the pixels -padding + k * dilation."""
    outputs, inputs, *kernel = weight_shape
    taps = [tuple(range(-p, k * d - p, d)) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    channels = (input_shape[0], groups, inputs, outputs // groups)
    return plan(*taps, tuple(stride), channels, input_shape[2:], out_size, BITS // (8 * itemsize), itemsize)


def gradient_places(p, grad):
    """Where the vectors of one task lie in the output's gradient, the distance between its channels, and whether it must
    be copied for that, to rows of whole vectors that end in zeros."""
    g = p.geometry
    pitch = g.row_vectors * g.lanes
    if pitch == g.out_width:
        return p.places(grad[0].size, g.out_width), g.out_height * g.out_width, False
    return p.places(g.outputs * g.rows * pitch, pitch), g.rows * pitch, True


def worth_winograd(inputs: int, outputs: int, kernel, stride, dilation) -> bool:
    """Whether the matrix products, inputs times outputs, are large enough to pay for the transforms."""
    small = tuple(kernel) == (3, 3) and tuple(stride) == (1, 1) and tuple(dilation) == (1, 1)
    return small and min(inputs, outputs) >= 16 and inputs * outputs >= 512


def run_winograd(image, weight, out, channels, padding, start, steps):
    """Correlate the image with filters taken out of the flat weight; see transform_weight for start and steps."""
    batch, groups, inputs, outputs = channels
    size, out_size = image.shape[2:], out.shape[2:]
    lanes = BITS // (8 * image.itemsize)
    panels = np.empty(16 * apart(groups * -(-outputs // ROWS) * inputs * ROWS), image.dtype)
    threads.run(
        transform_weight, threads.threads_for(32 * weight.size), weight.reshape(-1), panels, groups, outputs, inputs,
        start, steps,
    )  # fmt: skip
    tile_rows, tile_columns = -(-out_size[0] // 2), -(-out_size[1] // 2)
    rows = tile_rows_per_task(batch * groups * tile_rows, tile_columns, VECTORS * lanes)
    threads.run(
        winograd, threads.threads_for(4 * out.size * inputs), image.reshape(-1), panels, out.reshape(-1), channels,
        size, out_size, padding, rows, lanes,
    )  # fmt: skip


def winograd_weight(input, grad, size, channels, padding):
    """`conv2d_weight` for 3 x 3 filters at stride 1."""
    batch, groups, inputs, outputs = channels
    lanes = BITS // (8 * input.itemsize)
    filters = groups * outputs * inputs
    tile_rows, tile_columns = -(-grad.shape[2] // 2), -(-grad.shape[3] // 2)
    rows = max(1, min(TILES // tile_columns, batch * tile_rows))
    bands = -(-batch * tile_rows // rows)
    chunks = max(1, min(16, bands, PARTIAL_SUMS // (16 * filters)))
    partial, out = np.zeros((chunks, 16, filters), input.dtype), np.empty(size, input.dtype)
    threads.run(
        sum_products, threads.threads_for(4 * grad.size * inputs), input.reshape(-1), grad.reshape(-1), partial.reshape(-1),
        chunks, np.arange(-(-rows * tile_columns // lanes)) * lanes, channels, input.shape[2:], grad.shape[2:], padding,
        rows, lanes,
    )  # fmt: skip
    threads.run(
        transform_filters_back,
        threads.threads_for(64 * chunks * filters),
        partial.reshape(-1),
        out.reshape(-1),
        chunks,
        1024,
    )
    return out


@accelerates("conv2d")
def conv2d(input, weight, *, stride, padding, dilation, groups):
    """input (N, C, H, W), weight (O, C / groups, kH, kW) -> (N, O, oH, oW)."""
    input, weight = plain(input), plain(weight)
    outputs, inputs, *kernel = weight.shape
    out_size = tuple(map(window, input.shape[2:], padding, dilation, stride, kernel))
    out = np.empty((len(input), outputs, *out_size), input.dtype)
    if out.size == 0 or weight.size == 0:
        out.fill(0)
        return out
    channels = (len(input), groups, inputs, outputs // groups)
    if worth_winograd(inputs, outputs // groups, kernel, stride, dilation):
        steps = (weight.size // groups, 9 * inputs, 9, 3, 1)
        run_winograd(input, weight, out, channels, tuple(padding), 0, steps)
        return out
    p = plan_forward(input.shape, weight.shape, out_size, stride, padding, dilation, groups, input.itemsize)
    g = p.geometry
    plane, pitch = out_size[0] * out_size[1], g.row_vectors * g.lanes
    direct = pitch == out_size[1]
    places = p.places(outputs * plane, pitch) if direct else p.places(g.outputs * g.rows * pitch, pitch)
    panels = pack_rows(weight.reshape(-1), groups, g.outputs, inputs * kernel[0] * kernel[1])
    threads.run(
        correlate, threads.threads_for(out.size * inputs * kernel[0] * kernel[1]), input.reshape(-1), panels,
        out.reshape(-1), p.positions, places, p.taps, p.phases, tuple(g), int(direct),
    )  # fmt: skip
    return out


@accelerates("conv2d_input")
def conv2d_input(grad, weight, *, size, stride, padding, dilation, groups):
    """grad (N, O, oH, oW), weight (O, C / groups, kH, kW) -> the gradient of the input, of shape `size` (N, C, H, W)."""
    grad, weight = plain(grad), plain(weight)
    out = np.zeros(size, grad.dtype)
    if out.size == 0 or grad.size == 0 or weight.size == 0:
        return out
    outputs, inputs, *kernel = weight.shape
    batch, channels, height, width = size
    if worth_winograd(outputs // groups, inputs, kernel, stride, dilation) and max(padding) <= 2:
        # The same with the filters turned round, input and output channels swapped.
        steps = (weight.size // groups, 9, 9 * inputs, -3, -1)
        reach = (2 - padding[0], 2 - padding[1])
        run_winograd(grad, weight, out, (batch, groups, outputs // groups, inputs), reach, 8, steps)
        return out
    p = plan_forward(out.shape, weight.shape, grad.shape[2:], stride, padding, dilation, groups, grad.itemsize)
    places, channel_step, copies = gradient_places(p, grad)
    taps = kernel[0] * kernel[1]
    panels = pack_taps(weight.reshape(-1), groups, outputs // groups, inputs, taps)
    threads.run(
        correlate_input, threads.threads_for(grad.size * inputs * taps), grad.reshape(-1), panels, out.reshape(-1),
        p.positions, places, grid((outputs // groups, channel_step)), p.taps, p.phases, tuple(p.geometry), int(copies),
    )  # fmt: skip
    return out


@accelerates("conv2d_weight")
def conv2d_weight(input, grad, *, size, stride, padding, dilation, groups):
    """input (N, C, H, W), grad (N, O, oH, oW) -> the gradient of the weight, of shape `size` (O, C / groups, kH, kW)."""
    input, grad = plain(input), plain(grad)
    outputs, inputs, *kernel = size
    if grad.size == 0 or input.size == 0 or 0 in size:
        return np.zeros(size, grad.dtype)
    if worth_winograd(inputs, outputs // groups, kernel, stride, dilation):
        return winograd_weight(input, grad, size, (len(input), groups, inputs, outputs // groups), tuple(padding))
    p = plan_forward(input.shape, size, grad.shape[2:], stride, padding, dilation, groups, grad.itemsize)
    places, _, copies = gradient_places(p, grad)
    elements = outputs * inputs * kernel[0] * kernel[1]
    chunks = max(1, min(16, -(-len(input) // p.geometry.images), PARTIAL_SUMS // elements))
    partial = np.zeros((chunks, *size), input.dtype)
    threads.run(
        correlate_weight, threads.threads_for(grad.size * inputs * kernel[0] * kernel[1]), input.reshape(-1),
        grad.reshape(-1), partial.reshape(-1), chunks, p.positions, places, p.taps, p.phases, tuple(p.geometry), int(copies),
    )  # fmt: skip
    return partial.sum(0) if chunks > 1 else partial[0]
