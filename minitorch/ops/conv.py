"""Convolution and transposed convolution over one, two or three spatial dimensions.

With input x (N, C, *size), weight w (O, C/groups, *kernel) and padding already applied, the output at position j is

    z[n, o, j] = sum over c, i of  w[o, c, i] x[n, c, j * stride + i * dilation]

which is linear in x and linear in w. So there are three operations, and each is the adjoint of the other two:

    conv(x, w) -> z        conv_input(z, w) -> x        conv_weight(x, z) -> w

The gradient of any of them is another of them, whatever the order of the derivative. `conv_transpose2d` is nothing
but `conv2d_input` called forward.

The kernels multiply matrices. For one image the patches under the kernel form a matrix with C/groups * |kernel| rows
and one column per position ("im2col"); the weight, flattened, times that matrix is the image's output. A few images
are unrolled at a time, never the whole batch. (K. Chellapilla, S. Puri, P. Simard, "High performance convolutional
neural networks for document processing", 2006, section 3.)
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core.op import ELEMENTWISE, LINEAR, PROMOTE, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import ntuple
from .family import renamed
from .pad import constant_pad, pad_sides
from .windows import crop, parts, positions_of, roll_up, unroll

# The three kernels, for any number of spatial dimensions.


def correlate(input, weight, *, stride, padding, dilation, groups):
    """z (N, O, *positions) from x (N, C, *size) and w (O, C/groups, *kernel)."""
    batch, out_channels, kernel = len(input), len(weight), weight.shape[2:]
    positions = positions_of(input.shape[2:], kernel, stride, padding, dilation)
    flat_weight = weight.reshape(groups, out_channels // groups, prod(weight.shape[1:]))
    out = np.empty((batch, out_channels, *positions), input.dtype)
    for part in parts(batch, input.shape[1] * prod(kernel) * prod(positions)):
        patches = unroll(input[part], kernel, positions, stride, padding, dilation)
        patches = patches.reshape(len(patches), groups, flat_weight.shape[2], prod(positions))
        z = out[part].reshape(len(patches), groups, out_channels // groups, prod(positions))
        np.matmul(flat_weight, patches, out=z)
    return out


def correlate_input(grad, weight, *, size, stride, padding, dilation, groups):
    """x of shape `size` from z and w: every output is sent back to where it was read from."""
    batch, out_channels, *positions = grad.shape
    kernel, spatial = weight.shape[2:], size[2:]
    transposed_weight = weight.reshape(groups, out_channels // groups, prod(weight.shape[1:])).swapaxes(1, 2)
    out = np.zeros((*size[:2], *[n + 2 * p for n, p in zip(spatial, padding, strict=True)]), grad.dtype)
    for part in parts(batch, size[1] * prod(kernel) * prod(positions)):
        z = grad[part]
        z = z.reshape(len(z), groups, out_channels // groups, prod(positions))
        # Depthwise (one output channel per group) the product is an outer one, which broadcasting does faster.
        patches = transposed_weight * z if out_channels == groups else np.matmul(transposed_weight, z)
        patches = patches.reshape(len(z), size[1], *kernel, *positions)
        roll_up(patches, out[part], stride, dilation)
    return np.ascontiguousarray(out[crop(padding, spatial)])


def correlate_weight(input, grad, *, size, stride, padding, dilation, groups):
    """w of shape `size` from x and z: each weight collects input times output over images and positions."""
    batch, out_channels, *positions = grad.shape
    kernel = size[2:]
    total = np.zeros((groups, out_channels // groups, prod(size[1:])), input.dtype)
    for part in parts(batch, input.shape[1] * prod(kernel) * prod(positions)):
        patches = unroll(input[part], kernel, positions, stride, padding, dilation)
        patches = patches.reshape(len(patches), groups, prod(size[1:]), prod(positions))
        z = grad[part].reshape(len(patches), groups, out_channels // groups, prod(positions))
        total += np.matmul(z, patches.swapaxes(2, 3)).sum(axis=0)
    return total.reshape(size)


# The three operations, declared for one, two and three spatial dimensions.


def declare(n: int) -> tuple:
    """(conv{n}d, conv{n}d_input, conv{n}d_weight): the three operations over n spatial dimensions."""
    conv_input: Any  # the rules of each name the other two
    conv_weight: Any
    conv = op(
        LINEAR,
        dtype=SAME,
        vjp=dict(
            input=lambda g, weight, size, stride, padding, dilation, groups: conv_input(
                g, weight, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
            ),
            weight=lambda g, input, size, stride, padding, dilation, groups: conv_weight(
                input, g, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
            ),
        ),
        backward_name="ConvolutionBackward0",
    )(renamed(correlate, f"conv{n}d"))
    conv_input = op(
        LINEAR,
        dtype=SAME,
        vjp=dict(
            grad=lambda g, grad, weight, stride, padding, dilation, groups: first_positions(
                conv(g, weight, stride=stride, padding=padding, dilation=dilation, groups=groups), grad
            ),
            weight=lambda g, grad, weight, stride, padding, dilation, groups: conv_weight(
                g, grad, size=weight.array.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
            ),
        ),
        backward_name="ConvolutionBackward0",
    )(renamed(correlate_input, f"conv{n}d_input"))
    conv_weight = op(
        LINEAR,
        dtype=SAME,
        vjp=dict(
            input=lambda g, input, grad, stride, padding, dilation, groups: conv_input(
                grad, g, size=input.array.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
            ),
            grad=lambda g, input, grad, stride, padding, dilation, groups: first_positions(
                conv(input, g, stride=stride, padding=padding, dilation=dilation, groups=groups), grad
            ),
        ),
        backward_name="ConvolutionBackward0",
    )(renamed(correlate_weight, f"conv{n}d_weight"))
    return conv, conv_input, conv_weight


def first_positions(z: Tensor, like: Tensor) -> Tensor:
    """`z` cut to the shape of `like`: where output padding enlarged the image, its last positions saw no output."""
    surplus = [m - n for m, n in zip(z.array.shape, like.array.shape, strict=True)]
    if not any(surplus):
        return z
    return pad_sides(z, before=(0,) * len(surplus), after=tuple(-n for n in surplus), value=0)


FAMILY = {n: declare(n) for n in (1, 2, 3)}


@op(ELEMENTWISE, dtype=PROMOTE, vjp=dict(input=lambda g: g, bias=lambda g: g), backward_name="ConvolutionBackward0")
def add_bias(input, bias):
    """z = input + bias, broadcast over images and positions."""
    return np.add(input, bias)


# What torch calls them.


def convolve(n, input, weight, bias, stride, padding, dilation, groups) -> Tensor:
    """The convolution over n spatial dimensions: arguments checked, batch and bias added."""
    name = f"conv{n}d"
    check_tensors(name, input, weight, bias)
    batched = with_batch(name, n, input, weight)
    stride = per_dimension("stride", stride, n)
    dilation = per_dimension("dilation", dilation, n)
    if isinstance(padding, str):
        batched, padding = named_padding(padding, batched, weight, stride, dilation)
    padding = per_dimension("padding", padding, n)
    check_arguments(weight, stride, padding, dilation, groups)
    check_channels(groups, weight, batched, weight.array.shape[1] * groups, f"groups={groups}")
    check_bias(weight, bias, weight.array.shape[0], "weight")
    size, kernel = batched.array.shape[2:], weight.array.shape[2:]
    check_spatial(name, batched)
    if min(positions_of(size, kernel, stride, padding, dilation)) <= 0:
        padded = " x ".join(str(m + 2 * p) for m, p in zip(size, padding, strict=True))
        spread = " x ".join(str(d * (k - 1) + 1) for k, d in zip(kernel, dilation, strict=True))
        raise RuntimeError(
            f"{name}(): Calculated padded input size per channel: ({padded}). Kernel size: ({spread}). "
            "Kernel size can't be greater than actual input size"
        )
    out = FAMILY[n][0](batched, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return finish(n, out, bias, input.array.ndim == n + 1)


def convolve_transposed(n, input, weight, bias, stride, padding, output_padding, groups, dilation) -> Tensor:
    """The transposed convolution over n spatial dimensions: `conv_input` with the input as the gradient."""
    name = f"conv_transpose{n}d"
    check_tensors(name, input, weight, bias)
    batched = with_batch(name, n, input, weight)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    stride = per_dimension("stride", stride, n)
    dilation = per_dimension("dilation", dilation, n)
    padding = per_dimension("padding", padding, n)
    output_padding = per_dimension("output_padding", output_padding, n)
    check_arguments(weight, stride, padding, dilation, groups)
    if min(output_padding) < 0:
        raise RuntimeError(f"{name}(): negative output_padding is not supported: {list(output_padding)}")
    if any(o >= s and o >= d for o, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{name}(): output padding must be smaller than either stride or dilation, but got "
            f"output_padding={list(output_padding)}, stride={list(stride)}, dilation={list(dilation)}"
        )
    shape = batched.array.shape
    check_channels(groups, weight, batched, weight.array.shape[0], "transposed=1")
    out_channels = weight.array.shape[1] * groups
    check_bias(weight, bias, out_channels, "transposed=1, weight")
    check_spatial(name, batched)
    # The image that a convolution with the same arguments would have read to give `input`.
    spatial = tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + o + 1
        for m, s, p, d, k, o in zip(
            shape[2:], stride, padding, dilation, weight.array.shape[2:], output_padding, strict=True
        )
    )
    if min(spatial) <= 0:
        raise RuntimeError(
            f"{name}(): input of shape {list(shape)}: the calculated output size per channel, {list(spatial)}, is too small"
        )
    size = (shape[0], out_channels, *spatial)
    out = FAMILY[n][1](batched, weight, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return finish(n, out, bias, input.array.ndim == n + 1)


def check_tensors(name: str, input, weight, bias) -> None:
    """TypeError for what is no tensor; RuntimeError for types that differ."""
    for argument, value in (("input", input), ("weight", weight), ("bias", bias)):
        if not isinstance(value, Tensor) and not (value is None and argument == "bias"):
            raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(value).__name__}")
    if input.array.dtype == np.bool_:
        raise NotImplementedError(f"{name}(): not implemented for 'Bool'")
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.array.dtype != input.array.dtype:
            raise RuntimeError(
                f"{name}(): Input type ({input.dtype}) and {argument} type ({value.dtype}) should be the same"
            )


def with_batch(name: str, n: int, input: Tensor, weight: Tensor) -> Tensor:
    """`input` with a batch dimension, which it may lack. RuntimeError for any other rank, or a weight of another."""
    shape = list(input.array.shape)
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {shape}"
        )
    if weight.array.ndim != n + 2:
        raise RuntimeError(
            f"Expected {n + 2}-dimensional weight for {name} of input {shape}, "
            f"but got weight of size {list(weight.array.shape)} instead"
        )
    return input if len(shape) == n + 2 else input.unsqueeze(0)


def per_dimension(name: str, value, n: int) -> tuple[int, ...]:
    """One int for every spatial dimension. RuntimeError for the wrong number of them, TypeError for no ints."""
    if isinstance(value, (tuple, list)) and len(value) not in (1, n):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
            f"dimensions, but got {name}={list(value)}"
        )
    return ntuple(value, n, name)


def named_padding(padding: str, input: Tensor, weight: Tensor, stride, dilation) -> tuple:
    """(input, amounts) for padding "valid" or "same". Where "same" is odd, one more zero goes to the end."""
    if padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: '{padding}' (expected 'same' or 'valid')")
    if padding == "valid":
        return input, (0,) * len(stride)
    if any(s != 1 for s in stride):
        raise RuntimeError(f"padding='same' is not supported for strided convolutions, got stride={list(stride)}")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.array.shape[2:], strict=True)]
    if any(total % 2 for total in totals):
        input = constant_pad(input, [x for total in reversed(totals) for x in (0, total % 2)])
    return input, tuple(total // 2 for total in totals)


def check_arguments(weight: Tensor, stride, padding, dilation, groups) -> None:
    """RuntimeError for a negative padding, or a stride, dilation or number of groups below one."""
    if min(padding) < 0:
        raise RuntimeError(f"negative padding is not supported: padding={list(padding)}")
    for name, values in (("stride", stride), ("dilation", dilation), ("groups", (groups,))):
        if min(values) <= 0:
            raise RuntimeError(f"non-positive {name} is not supported: {name}={list(values)}")
    shape = list(weight.array.shape)
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, "
            f"but got weight of size {shape}"
        )
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {shape}"
        )
    if 0 in shape[2:]:
        raise RuntimeError(f"the kernel must not be empty, but got weight of size {shape}")


def check_spatial(name: str, batched: Tensor) -> None:
    shape = batched.array.shape
    if prod(shape[2:]) == 0:
        raise RuntimeError(f"{name}(): Only zero batch or zero channel inputs are supported, got {list(shape)}")


def check_channels(groups: int, weight: Tensor, input: Tensor, expected: int, given: str) -> None:
    """RuntimeError where the input does not have the channels that the weight expects."""
    shape = list(input.array.shape)
    if shape[1] != expected:
        raise RuntimeError(
            f"Given {given}, weight of size {list(weight.array.shape)}, expected input{shape} to have {expected} "
            f"channels, but got {shape[1]} channels instead"
        )


def check_bias(weight: Tensor, bias, channels: int, given: str) -> None:
    """RuntimeError for a bias that is not one number per output channel."""
    if bias is not None and bias.array.shape != (channels,):
        raise RuntimeError(
            f"Given {given} of size {list(weight.array.shape)}, expected bias to be 1-dimensional with {channels} "
            f"elements, but got bias of size {list(bias.array.shape)} instead"
        )


def finish(n: int, out: Tensor, bias, unbatched: bool) -> Tensor:
    """Add the bias, one number per channel, and take the batch dimension away again."""
    if bias is not None:
        out = add_bias(out, bias.reshape(-1, *[1] * n))
    return out.squeeze(0) if unbatched else out


@function(torch=("nn.functional.conv1d", "conv1d"))
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """Convolution of a sequence: input ([N,] C, L), weight (O, C/groups, K), bias (O), result ([N,] O, positions)."""
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


@function(torch=("nn.functional.conv2d", "conv2d"))
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """Convolution of images: input ([N,] C, H, W), weight (O, C/groups, KH, KW), bias (O).

    `padding` may be a number of zeros for each side, "valid" (none) or "same" (as many as keep the size).
    RuntimeError for ranks, channels or sizes that do not fit, and for types that differ.
    """
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


@function(torch=("nn.functional.conv3d", "conv3d"))
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """Convolution of volumes: input ([N,] C, D, H, W), weight (O, C/groups, KD, KH, KW), bias (O)."""
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


@function(torch=("nn.functional.conv_transpose1d", "conv_transpose1d"))
def conv_transpose1d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
) -> Tensor:  # fmt: skip
    """Transposed convolution of a sequence: input ([N,] C, L), weight (C, O/groups, K), bias (O)."""
    return convolve_transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function(torch=("nn.functional.conv_transpose2d", "conv_transpose2d"))
def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
) -> Tensor:  # fmt: skip
    """Transposed convolution of images: the adjoint of `conv2d` with the same weight, stride, padding and dilation.

    input ([N,] C, H, W), weight (C, O/groups, KH, KW), bias (O); each spatial size n becomes
    (n - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.
    """
    return convolve_transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function(torch=("nn.functional.conv_transpose3d", "conv_transpose3d"))
def conv_transpose3d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
) -> Tensor:  # fmt: skip
    """Transposed convolution of volumes: input ([N,] C, D, H, W), weight (C, O/groups, KD, KH, KW), bias (O)."""
    return convolve_transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
