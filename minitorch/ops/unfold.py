"""Unfold and fold: the patches of an image as columns of a matrix, and columns added back into an image.

Each is the adjoint of the other. A convolution is `weight @ unfold(x)`.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..core.op import LINEAR, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import ntuple
from .windows import crop, positions_of, roll_up, unroll


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        input=lambda g, size, kernel_size, dilation, padding, stride: col2im(
            g, output_size=size[2:], kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
        )
    ),
    backward_name="Im2ColBackward0",
)
def im2col(input, *, kernel_size, dilation, padding, stride):
    """Patches as columns: (N, C, H, W) -> (N, C * |kernel|, |positions|)."""
    positions = positions_of(input.shape[2:], kernel_size, stride, padding, dilation)
    patches = unroll(input, kernel_size, positions, stride, padding, dilation)
    return patches.reshape(input.shape[0], input.shape[1] * prod(kernel_size), prod(positions))


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        input=lambda g, kernel_size, dilation, padding, stride: im2col(
            g, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
        )
    ),
    backward_name="Col2ImBackward0",
)
def col2im(input, *, output_size, kernel_size, dilation, padding, stride):
    """Columns added into images: (N, C * |kernel|, |positions|) -> (N, C, *output_size)."""
    batch, channels = len(input), input.shape[1] // prod(kernel_size)
    positions = positions_of(output_size, kernel_size, stride, padding, dilation)
    padded = [n + 2 * p for n, p in zip(output_size, padding, strict=True)]
    out = np.zeros((batch, channels, *padded), input.dtype)
    roll_up(input.reshape(batch, channels, *kernel_size, *positions), out, stride, dilation)
    return np.ascontiguousarray(out[crop(padding, output_size)])


def check_geometry(name: str, padding, **positive) -> None:
    """RuntimeError for a negative padding, or a kernel size, stride or dilation below one."""
    if min(padding) < 0:
        raise RuntimeError(f"{name}(): padding should be non-negative, but got {padding}")
    for argument, amounts in positive.items():
        if min(amounts) < 1:
            raise RuntimeError(f"{name}(): {argument} should be greater than zero, but got {amounts}")


def check_kind(name: str, input) -> None:
    """TypeError for what is no tensor; NotImplementedError for integers, as torch has it."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if input.array.dtype.kind in "iu":
        raise NotImplementedError(f"{name}(): not implemented for {input.dtype}")


@function(torch="nn.functional.unfold")
def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The patches under a sliding kernel, each flattened into a column: ([N,] C, H, W) -> ([N,] C * |kernel|, L)."""
    check_kind("unfold", input)
    shape = list(input.array.shape)
    kernel_size, dilation = ntuple(kernel_size, 2, "kernel_size"), ntuple(dilation, 2, "dilation")
    padding, stride = ntuple(padding, 2, "padding"), ntuple(stride, 2, "stride")
    check_geometry("unfold", kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            f"unfold(): Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {shape}"
        )
    positions = positions_of(shape[-2:], kernel_size, stride, padding, dilation)
    if min(positions) < 1:
        raise RuntimeError(
            f"unfold(): Given input with spatial size {tuple(shape[-2:])}, kernel_size={kernel_size}, "
            f"dilation={dilation}, padding={padding}, calculated shape of the array of sliding blocks as {positions}, "
            "but its components must be at least one."
        )
    images = input if len(shape) == 4 else input.unsqueeze(0)
    columns = im2col(images, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    return columns if len(shape) == 4 else columns.squeeze(0)


@function(torch="nn.functional.fold")
def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Columns added back where `unfold` would take them: ([N,] C * |kernel|, L) -> ([N,] C, *output_size)."""
    check_kind("fold", input)
    shape = list(input.array.shape)
    output_size, kernel_size = ntuple(output_size, 2, "output_size"), ntuple(kernel_size, 2, "kernel_size")
    dilation, padding = ntuple(dilation, 2, "dilation"), ntuple(padding, 2, "padding")
    stride = ntuple(stride, 2, "stride")
    check_geometry("fold", kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            f"fold(): Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {shape}"
        )
    if shape[-2] % prod(kernel_size):
        raise RuntimeError(
            f"fold(): Expected the size {shape[-2]} of the input's columns to be divisible by the product of "
            f"kernel_size={kernel_size}, but got input {shape}"
        )
    positions = positions_of(output_size, kernel_size, stride, padding, dilation)
    if min(positions) < 1 or prod(positions) != shape[-1]:
        raise RuntimeError(
            f"fold(): Given output_size={output_size}, kernel_size={kernel_size}, dilation={dilation}, "
            f"padding={padding}, stride={stride}, expected {positions[0]} * {positions[1]} sliding blocks, "
            f"but got {shape[-1]} in input {shape}"
        )
    columns = input if len(shape) == 3 else input.unsqueeze(0)
    images = col2im(
        columns, output_size=output_size, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride
    )
    return images if len(shape) == 3 else images.squeeze(0)
