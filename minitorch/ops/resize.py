"""Resizing images: interpolation, and rearrangements of channels into pixels.

Interpolation works along one dimension at a time. Output pixel j has its centre at the position

    x = scale (j + 1/2) - 1/2            scale = size of the input / size of the output
    x = scale j                          scale = (size of the input - 1) / (size of the output - 1), with align_corners

of the input, and takes a weighted mean of the pixels around x:

    nearest          the one pixel floor(scale j); nearest-exact: the one whose centre is nearest to x
    linear           the two neighbours floor(x) and floor(x) + 1, with weights 1 - t and t, t = x - floor(x)
    cubic            four neighbours, weighted by Keys' cubic convolution kernel with a = -3/4
    area             all pixels under the output pixel (adaptive average pooling)

With `antialias` the kernel is stretched by the scale when an image shrinks, so that every input pixel counts. (R. Keys,
"Cubic convolution interpolation for digital image processing", 1981.)

Positions are computed in the type of the image, as torch does: they decide which pixels are taken.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.op import function
from ..core.tensor import Tensor
from ..dtypes import NUMPY_HALF
from .adaptive_pool import adaptive_mean
from .convert import cast, clone, copied
from .half import widened
from .resample import resample

# Which pixels, with which weights: each function gives (index, weight), both (n_out, taps).


def scale_between(size: int, out: int, align_corners: bool, factor, real: type):
    """How many input pixels one step in the output is worth."""
    if align_corners:
        return real(size - 1) / real(out - 1) if out > 1 else real(0)
    return real(1.0 / factor) if factor else real(size) / real(out)


def positions(scale, out: int, align_corners: bool, real: type) -> np.ndarray:
    """The position in the input of each output pixel's centre."""
    j = np.arange(out, dtype=np.float64)
    if align_corners:
        return real(scale * j.astype(real))
    return (np.float64(scale) * (j + 0.5) - 0.5).astype(real)  # multiplied and subtracted with one rounding


def nearest(size: int, out: int, factor, align_corners: bool, real: type):
    if out in (size, 2 * size):  # whatever the factor says
        return (np.arange(out) // (out // size))[:, None], None
    scale = scale_between(size, out, False, factor, real)
    index = np.floor((scale * np.arange(out, dtype=real)).astype(np.float32)).astype(np.int64)
    return np.minimum(index, size - 1)[:, None], None


def nearest_exact(size: int, out: int, factor, align_corners: bool, real: type):
    x = positions(scale_between(size, out, False, factor, real), out, False, real)
    index = np.floor((x + real(0.5)).astype(np.float32)).astype(np.int64)
    return index.clip(0, size - 1)[:, None], None


def floor_and_rest(x: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixel at or below each position, and how far beyond it the position is, within [0, 1]."""
    index = np.minimum(np.floor(x.astype(np.float32)).astype(np.int64), size - 1)
    return index, (x - index.astype(x.dtype)).clip(0, 1)


def linear(size: int, out: int, factor, align_corners: bool, real: type):
    if size == out:
        return np.arange(out)[:, None], None
    x = positions(scale_between(size, out, align_corners, factor, real), out, align_corners, real)
    first, t = floor_and_rest(np.maximum(x, 0), size)
    return np.stack([first, np.minimum(first + 1, size - 1)], 1), np.stack([1 - t, t], 1)


def keys_weights(t, a: float = -0.75) -> list:
    """The weights of the four pixels around a position t beyond the second of them, for arrays or tensors.

    Keys' kernel at the distances 1 + t, t, 1 - t and 2 - t, multiplied out so that little cancels. They add up to 1.
    """
    s = 1 - t
    first, second, last = a * t * s * s, ((a + 2) * t - (a + 3)) * t * t + 1, a * s * t * t
    return [first, second, 1 - (first + second + last), last]


def cubic(size: int, out: int, factor, align_corners: bool, real: type):
    x = positions(scale_between(size, out, align_corners, factor, real), out, align_corners, real)
    second, t = floor_and_rest(x, size)
    index = (second[:, None] + np.arange(-1, 3)).clip(0, size - 1)
    return index, np.stack(keys_weights(t), 1)


def triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def keys(x: np.ndarray) -> np.ndarray:
    """Keys' kernel with a = -1/2, the one that is exact for quadratic functions."""
    x, a = np.abs(x), -0.5
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def stretched(filter, width: int):
    """Antialiased: the filter, `width` pixels wide, stretched over all input pixels that one output pixel covers."""

    def taps(size: int, out: int, factor, align_corners: bool, real: type):
        scale = scale_between(size, out, align_corners, factor, real)
        stretch = max(scale, real(1))
        support = real(width / 2) * stretch
        centre = scale * (np.arange(out).astype(real) + real(0.5))
        first = np.maximum((centre - support + real(0.5)).astype(np.int64), 0)
        count = np.minimum((centre + support + real(0.5)).astype(np.int64), size) - first
        most = math.ceil(support) * 2 + 1
        count = count.clip(0, most)
        j = np.arange(max(count.max(), 1))
        weight = filter(((j + first[:, None]).astype(real) - centre[:, None] + real(0.5)) / stretch)
        weight = np.where(j < count[:, None], weight, 0)
        total = weight.sum(axis=1, keepdims=True)
        weight = np.divide(weight, total, out=weight, where=total != 0)
        return np.minimum(first[:, None] + j, size - 1), weight

    return taps


TAPS = {"nearest": nearest, "nearest-exact": nearest_exact, "linear": linear, "bilinear": linear, "trilinear": linear,
        "bicubic": cubic}  # fmt: skip
ANTIALIASED = {"bilinear": stretched(triangle, 2), "bicubic": stretched(keys, 4), "lanczos": stretched(lanczos, 6)}
SPATIAL = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2, "lanczos": 2}


# What torch calls them, with what torch refuses.


def per_axis(value, name: str, input: Tensor) -> list:
    """One value for each spatial dimension. ValueError for the wrong number of them."""
    spatial = input.array.shape[2:]
    if not isinstance(value, (tuple, list)):
        return [value] * len(spatial)
    if len(value) != len(spatial):
        raise ValueError(
            f"interpolate(): Input and {name} must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(spatial)} and {name} of {value}"
        )
    return list(value)


def output_size(input: Tensor, size, scale_factor, recompute: bool) -> tuple[list, list]:
    """(sizes, factors): for each spatial dimension its size, and the factor, or None, that positions come from."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate(): one of size and scale_factor should be defined, and only one")
    if recompute and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if size is not None:
        sizes = per_axis(size, "size", input)
        if not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes):
            raise TypeError(f"interpolate(): expected size to be one int or several, but got {size}")
        return sizes, [None] * len(sizes)
    factors = per_axis(scale_factor, "scale_factor", input)
    sizes = [int(n * factor) for n, factor in zip(input.array.shape[2:], factors, strict=True)]
    return sizes, [None] * len(sizes) if recompute else factors


def check_resize(input: Tensor, mode: str, sizes: list, antialias: bool) -> None:
    """RuntimeError, ValueError or NotImplementedError for what torch does not resize."""
    shape = list(input.array.shape)
    if antialias and not (mode in ANTIALIASED and len(shape) == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if mode in SPATIAL and len(shape) in (3, 4, 5) and len(shape) != SPATIAL[mode] + 2:
        raise NotImplementedError(f"Got {len(shape)}D input, but {mode} mode needs {SPATIAL[mode] + 2}D input")
    if len(shape) not in (3, 4, 5) or mode not in {*TAPS, *ANTIALIASED, "area"}:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported "
            f"(got {len(shape)}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area | "
            f"nearest-exact (got {mode})"
        )
    if min([*shape[2:], *sizes]) <= 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {shape[2:]} and output {sizes}"
        )
    if shape[1] == 0:
        raise RuntimeError(f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes {shape}")
    if input.array.dtype.kind in "iub" and not (input.array.dtype == np.uint8 and mode in ("nearest", "nearest-exact")):
        raise NotImplementedError(f"interpolate(): mode '{mode}' is not implemented for {input.dtype}")


@function(torch="nn.functional.interpolate")
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
) -> Tensor:
    """Resize (N, C, *spatial), 1 to 3 spatial dimensions, to `size`, or by `scale_factor`.

    mode: nearest, nearest-exact, area, linear (sequences), bilinear, bicubic, lanczos (images), trilinear (volumes).
    align_corners: the centres of the corner pixels, instead of their outer corners, stay where they are. antialias:
    for bilinear and bicubic; lanczos needs it. recompute_scale_factor: compute positions from the rounded size.
    """
    if mode in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: "
                "linear | bilinear | bicubic | trilinear"
            )
    recompute = bool(recompute_scale_factor) or (mode == "area" and size is None)
    sizes, factors = output_size(input, size, scale_factor, recompute)
    check_resize(input, mode, sizes, antialias)
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("Lanczos mode requires antialias=True and does not support align_corners=True")
    if mode == "area":
        return adaptive_mean(len(sizes), input, sizes)
    if antialias and sizes == list(input.array.shape[2:]):
        return input.clone()
    real = np.float32 if input.array.dtype in (*NUMPY_HALF, np.uint8) else input.array.dtype.type
    taps = (ANTIALIASED if antialias else TAPS)[mode]
    (out,) = widened(input)
    for dim in reversed(range(2, input.array.ndim)):
        index, weight = taps(input.array.shape[dim], sizes[dim - 2], factors[dim - 2], bool(align_corners), real)
        out = resample(out, dim=dim, index=index, weight=weight)
    return cast(out, dtype=input.array.dtype)


def deprecated(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


@function(torch="nn.functional.upsample")
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None) -> Tensor:
    """`interpolate` by its old name."""
    deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@function(torch="nn.functional.upsample_nearest")
def upsample_nearest(input, size=None, scale_factor=None) -> Tensor:
    """`interpolate` with mode nearest."""
    deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@function(torch="nn.functional.upsample_bilinear")
def upsample_bilinear(input, size=None, scale_factor=None) -> Tensor:
    """`interpolate` with mode bilinear and align_corners."""
    deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# Channels into pixels and back (W. Shi et al., "Real-time single image and video super-resolution using an efficient
# sub-pixel convolutional neural network", 2016).


def check_factor(name: str, argument: str, input: Tensor, factor: int, least: int) -> None:
    """RuntimeError for too few dimensions or a factor below one."""
    if input.array.ndim < least:
        raise RuntimeError(f"{name} expects input with at least {least} dimensions, but got {list(input.array.shape)}")
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {argument}, but got {factor}")


@function(torch=("nn.functional.pixel_shuffle", "pixel_shuffle"))
def pixel_shuffle(input, upscale_factor: int) -> Tensor:
    """Every r^2 channels become one of r times the height and width: (*, C r^2, H, W) to (*, C, H r, W r)."""
    check_factor("pixel_shuffle", "upscale_factor", input, upscale_factor, 3)
    *lead, channels, height, width = input.array.shape
    r = upscale_factor
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(lead)
    blocks = input.reshape(*lead, channels // (r * r), r, r, height, width)
    blocks = copied(blocks.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2), order="C")
    return blocks.reshape(*lead, channels // (r * r), height * r, width * r)


@function(torch=("nn.functional.pixel_unshuffle", "pixel_unshuffle"))
def pixel_unshuffle(input, downscale_factor: int) -> Tensor:
    """Every r by r block of pixels becomes r^2 channels: (*, C, H r, W r) to (*, C r^2, H, W)."""
    check_factor("pixel_unshuffle", "downscale_factor", input, downscale_factor, 3)
    *lead, channels, height, width = input.array.shape
    r = downscale_factor
    for name, n in (("height", height), ("width", width)):
        if n % r:
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by downscale_factor, got {n} and {r}")
    n = len(lead)
    blocks = input.reshape(*lead, channels, height // r, r, width // r, r)
    blocks = copied(blocks.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3), order="C")
    return blocks.reshape(*lead, channels * r * r, height // r, width // r)


@function(torch=("nn.functional.channel_shuffle", "channel_shuffle"))
def channel_shuffle(input, groups: int) -> Tensor:
    """The channels of (N, C, ...) dealt out: the first of every group, then the second of every group, and so on."""
    check_factor("channel_shuffle", "number of groups", input, groups, 3)
    batch, channels, *rest = input.array.shape
    if channels % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups, got {channels} and {groups}")
    if groups in (1, channels):
        return clone(input)  # nothing moves, and the result is no view
    return input.reshape(batch, groups, channels // groups, *rest).transpose(1, 2).reshape(batch, channels, *rest)
