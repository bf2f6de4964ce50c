"""conv2d and its two gradients in Numba: from torch's arguments to the tables that the compiled loops run on.

All three are correlations. Forward, output pixel (i, j) sees the input pixels (i * stride - padding + kh * dilation, ..).
For the input's gradient the roles change: input pixel h received from output pixels i with

    h = i * stride - padding + kh * dilation

so h = i' * stride + (a - padding) sees, for each phase a of the stride, a few of the taps at stride 1: one
correlation of the output's gradient with these taps, per phase, stored into every stride-th pixel.
"""

import numpy as np

from . import threads
from .correlate import correlate, correlate_weight, pack_rows
from .geometry import plan
from .jit import plain
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS
from .winograd import apart, tile_rows_per_task, transform_weight, winograd

__all__ = ["conv2d", "conv2d_input", "conv2d_weight"]


def run(image, weight, out, row_taps, column_taps, strides, channels, out_size, store):
    """Correlate the image with weight (groups, outputs, inputs, taps); `store` as in `correlate`, less its last."""
    batch, groups, inputs, outputs = channels
    lanes = BITS // (8 * image.itemsize)
    p = plan(row_taps, column_taps, strides, channels, image.shape[2:], out_size, lanes, image.itemsize)
    g = p.geometry
    per_image, per_channel, per_row, per_column, _ = store
    pitch = g.row_vectors * lanes
    direct = per_column == 1 and pitch == out_size[1]
    places = p.places(per_image, per_row) if direct else p.places(outputs * g.rows * pitch, pitch)
    taps = len(row_taps) * len(column_taps)
    panels = pack_rows(weight.reshape(-1), groups, outputs, inputs * taps)
    work = batch * groups * inputs * outputs * taps * out_size[0] * out_size[1]
    threads.run(
        correlate, threads.threads_for(work), image.reshape(-1), panels, out.reshape(-1), p.positions, places, p.taps, p.phases,
        tuple(g), (*store, int(direct)),
    )  # fmt: skip


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


def window(size: int, padding: int, dilation: int, stride: int, kernel: int) -> int:
    """How many times a kernel fits along one axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


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
    taps = [tuple(k * d - p for k in range(n)) for n, d, p in zip(kernel, dilation, padding, strict=True)]
    plane = out_size[0] * out_size[1]
    store = (outputs * plane, plane, out_size[1], 1, 0)
    run(input, weight, out, *taps, tuple(stride), channels, out_size, store)
    return out


def phases(size: int, padding: int, dilation: int, stride: int, kernel: int):
    """Along one axis of an input: (first pixel, pixels, taps used, output pixel that each sees first), by phase."""
    found = []
    for a in range(stride):
        first = (a - padding) % stride
        used = [k for k in range(kernel) if (k * dilation - a) % stride == 0]
        seen = tuple((first + padding - k * dilation) // stride for k in used)
        found.append((first, -(-(size - first) // stride), used, seen))
    return found


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
    per_group = weight.reshape(groups, outputs // groups, inputs, *kernel).swapaxes(1, 2)
    rows, columns = map(phases, (height, width), padding, dilation, stride, kernel)
    for first_row, out_height, used_rows, row_taps in rows:
        for first_column, out_width, used_columns, column_taps in columns:
            if row_taps and column_taps and out_height > 0 and out_width > 0:
                taps = np.ascontiguousarray(per_group[..., used_rows, :][..., used_columns])
                run(
                    grad, taps, out, row_taps, column_taps, (1, 1), (batch, groups, outputs // groups, inputs),
                    (out_height, out_width),
                    (channels * height * width, height * width, stride[0] * width, stride[1], first_row * width + first_column),
                )  # fmt: skip
    return out


@accelerates("conv2d_weight")
def conv2d_weight(input, grad, *, size, stride, padding, dilation, groups):
    """input (N, C, H, W), grad (N, O, oH, oW) -> the gradient of the weight, of shape `size` (O, C / groups, kH, kW)."""
    input, grad = plain(input), plain(grad)
    outputs, inputs, *kernel = size
    if grad.size == 0 or input.size == 0 or 0 in size:
        return np.zeros(size, grad.dtype)
    out_size = grad.shape[2:]
    lanes = BITS // (8 * input.itemsize)
    taps = [tuple(k * d - p for k in range(n)) for n, d, p in zip(kernel, dilation, padding, strict=True)]
    channels = (len(input), groups, inputs, outputs // groups)
    p = plan(*taps, tuple(stride), channels, input.shape[2:], out_size, lanes, input.itemsize)
    g = p.geometry
    pitch = g.row_vectors * lanes
    copies = pitch != out_size[1]
    places = p.places(g.outputs * g.rows * pitch, pitch) if copies else p.places(grad[0].size, out_size[1])
    elements = outputs * inputs * kernel[0] * kernel[1]
    chunks = max(1, min(16, -(-len(input) // g.images), PARTIAL_SUMS // elements))
    partial = np.zeros((chunks, *size), input.dtype)
    threads.run(
        correlate_weight, threads.threads_for(len(input) * elements * out_size[0] * out_size[1]), input.reshape(-1),
        grad.reshape(-1), partial.reshape(-1), chunks, p.positions, places, p.taps, p.phases, tuple(g), int(copies),
    )  # fmt: skip
    return partial.sum(0) if chunks > 1 else partial[0]


PARTIAL_SUMS = 2**20  # elements of the partial sums of a weight's gradient, at most, if it is not larger itself
