"""Convolution and its two gradients in Numba, in one, two and three dimensions: which way is taken.

All three are correlations. Forward, output position i sees the input positions i * stride - padding + k * dilation.
For the input's gradient the roles change: input position h received from output positions i with

    h = i * stride - padding + k * dilation

so h = i' * stride + a sees, for each phase a of the stride, a few of the taps at stride 1: one correlation of the
output's gradient with these taps per phase, stored into every stride-th place. Fewer dimensions than three
are three of which the first have size 1.

    depthwise.py     one channel in, one out                 correlate.py   few output channels: pixels in the lanes
    winograd.py      3 x 3 at stride 1, enough tiles         channels.py    all others: channels in the lanes
    blas.py          1 x 1: products of matrices

conv_ways.py and depthwise_ways.py have what each of them is given.
"""

from __future__ import annotations

from math import prod

import numpy as np

from . import crossovers
from .conv_ways import (
    Problem,
    blocks_input,
    channels_forward,
    channels_input,
    channels_weight,
    pixels_forward,
    pixels_in_lanes,
    pixels_input,
    pixels_weight,
    pointwise_forward,
    pointwise_input,
    pointwise_weight,
    problem,
    window,
    winograd_forward,
    winograd_input,
    winograd_weight,
)  # fmt: skip
from .depthwise_ways import (
    depthwise_forward,
    depthwise_input,
    depthwise_weights,
    small_forward,
    small_input,
    small_planes,
    small_weight,
)
from .jit import plain
from .registry import accelerates

__all__ = ["conv", "conv_input", "conv_weight"]


# Which kernel.


def worth_winograd(p: Problem, tiles: int, least: int) -> bool:
    """Whether there are enough tiles to pay for the filters' transform, and enough channels to pay for the tiles'."""
    fits = p.planar and p.kernel == (1, 3, 3) and p.stride == (1, 1, 1) and p.dilation == (1, 1, 1)
    return fits and min(p.inputs, p.outputs) >= 16 and p.inputs * p.outputs >= 512 and tiles >= least


def tiles_of(batch: int, size) -> int:
    return batch * -(-size[1] // 2) * -(-size[2] // 2)


def single_channels(p: Problem) -> bool:
    """Whether the convolution is depthwise: one channel in and one out in every group of a plane."""
    return p.planar and p.inputs == p.outputs == 1


def pointwise(p: Problem) -> bool:
    """Whether the convolution is one product of matrices for each image, (O, C) times (C, pixels)."""
    return p.kernel == (1, 1, 1) and p.padding == (0, 0, 0) and p.groups == 1


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
    if pointwise(p):
        pointwise_forward(p, input, weight, out)
    elif single_channels(p):
        (small_forward if small_planes(p) else depthwise_forward)(p, input, weight, out)
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
    out = np.empty(size, grad.dtype)
    if pointwise(p):
        pointwise_input(p, grad, weight, out)
    elif single_channels(p):
        (small_input if small_planes(p) and p.stride == (1, 1, 1) else depthwise_input)(p, grad, weight, out)
    elif worth_winograd(p, tiles_of(p.batch, p.size), crossovers.WINOGRAD) and max(p.padding) <= 2:
        winograd_input(p, grad, weight, out)
    elif pixels_in_lanes(p, p.inputs) and p.stride == (1, 1, 1):
        pixels_input(p, grad, weight, out)
    elif p.inputs < crossovers.CHANNELS:
        blocks_input(p, grad, weight, out)
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
        (small_weight if small_planes(p) else depthwise_weights)(p, input, grad, out)
    elif pointwise(p) and (
        p.batch == 1 or p.outputs <= prod(p.out_size)
    ):  # then the products are no larger than the images
        pointwise_weight(p, input, grad, out)
    elif worth_winograd(p, tiles_of(p.batch, p.out_size), crossovers.WINOGRAD_WEIGHT):
        winograd_weight(p, input, grad, out)
    elif pixels_in_lanes(p, p.outputs):
        pixels_weight(p, input, grad, out)
    else:
        channels_weight(p, input, grad, out)
    return out
