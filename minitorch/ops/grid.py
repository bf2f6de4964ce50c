"""Sampling an image at the points of a grid, and the grids of affine maps (spatial transformer networks).

A grid holds, for every output pixel, where in the input its value comes from: (x, y) or (x, y, z), from -1 to 1 across
the image. Each point is turned into a pixel position; the pixels around it are gathered and mixed with weights that
depend smoothly on the position, so gradients flow to the image and to the grid. (M. Jaderberg et al., "Spatial
transformer networks", 2015.)
"""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np

from ..core.levels import per_example
from ..core.op import function
from ..core.tensor import Tensor, wrap
from .convert import cast
from .half import widened
from .resize import keys_weights

# From points in [-1, 1] to positions in pixels.


def pixel_position(point: Tensor, size: int, align_corners: bool) -> Tensor:
    """-1 and 1 are the centres of the first and last pixel (align_corners), or their outer edges."""
    if align_corners:
        return (point + 1) * ((size - 1) / 2)
    return ((point + 1) * size - 1) / 2


def clipped(position: Tensor, size: int) -> Tensor:
    """The position moved to the nearest pixel of the image; no gradient where it was moved, or at the border."""
    moved = position.array.clip(0, size - 1)
    inside = (position.array > 0) & (position.array < size - 1)
    return position.masked_fill(wrap(~inside), 0.0) + wrap(np.where(inside, 0, moved).astype(moved.dtype))


def reflected(position: Tensor, size: int, align_corners: bool) -> Tensor:
    """The position mirrored at the borders, as often as it takes: at pixel centres or at the outer edges."""
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return position * 0
    array = position.array
    distance = np.abs(array - low)
    flips = np.floor(distance / span)
    rest = distance - flips * span
    even = flips % 2 == 0
    sign = np.where(even, 1, -1) * np.where(array < low, -1, 1)
    mirrored = np.where(even, low + rest, high - rest)
    # d mirrored / d position is +-1, so the value is sign * position + something constant.
    return position * wrap(sign.astype(array.dtype)) + wrap((mirrored - sign * array).astype(array.dtype))


def placed(position: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """The position after padding: as it is ("zeros"), at the border, or reflected."""
    if padding_mode == "border":
        return clipped(position, size)
    if padding_mode == "reflection":
        return clipped(reflected(position, size, align_corners), size)
    return position


# Which pixels around a position, with which weights: lists of (integer coordinate, weight or None) per dimension.


def linear_taps(position: Tensor) -> list:
    low = np.floor(position.array)
    t = position - wrap(low)
    return [(low, 1 - t), (low + 1, t)]


def nearest_taps(position: Tensor) -> list:
    return [(np.rint(position.array), None)]


def cubic_taps(position: Tensor) -> list:
    low = np.floor(position.array)
    return [(low + k, weight) for k, weight in enumerate(keys_weights(position - wrap(low)), -1)]


TAPS = {"bilinear": linear_taps, "nearest": nearest_taps, "bicubic": cubic_taps}


def sample(flat: Tensor, spatial, taps) -> Tensor:
    """The weighted sum of the pixels that each combination of taps names: flat (N, C, pixels) to (N, C, points)."""
    batch, channels = flat.array.shape[:2]
    total: Any = None
    for combination in itertools.product(*taps):
        index: Any = 0
        inside: Any = True
        weight: Any = None
        for (coordinate, factor), size in zip(combination, spatial, strict=True):
            inside = inside & (coordinate >= 0) & (coordinate <= size - 1)  # nan is outside
            index = index * size + np.where(inside, coordinate, 0).astype(np.int64)
            if factor is not None:
                weight = factor if weight is None else weight * factor
        index = wrap(np.broadcast_to(np.where(inside, index, 0)[:, None], (batch, channels, inside.shape[1])))
        value = flat.gather(2, index).masked_fill(wrap(~inside[:, None]), 0.0)
        term = value if weight is None else value * weight.unsqueeze(1)
        total = term if total is None else total + term
    return total


@function(torch="nn.functional.grid_sample")
@per_example
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None) -> Tensor:
    """The values of (N, C, *size) at the points of grid (N, *out, 2 or 3), which run from -1 to 1: (N, C, *out).

    mode: bilinear, nearest or (images only) bicubic. padding_mode, for points outside: zeros, border or reflection.
    ValueError for an unknown mode, RuntimeError for shapes or types that do not fit.
    """
    if mode not in TAPS:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    align_corners = with_default(align_corners)
    shape, points = list(input.array.shape), list(grid.array.shape)
    check_grid(shape, points, mode)
    if input.array.dtype != grid.array.dtype:
        raise RuntimeError(f"grid_sampler(): expected one type for input and grid, got {input.dtype} and {grid.dtype}")
    given = input.array.dtype
    input, grid = widened(input, grid)
    spatial = shape[2:]
    coordinates = grid.reshape(points[0], math.prod(points[1:-1]), len(spatial)).unbind(-1)[::-1]  # x comes first
    taps = []
    for point, size in zip(coordinates, spatial, strict=True):
        position = pixel_position(point, size, align_corners)
        if mode == "bicubic":  # its four pixels, not the position, are put back into the image
            taps.append([(tap_inside(c, size, padding_mode, align_corners), w) for c, w in cubic_taps(position)])
        else:
            taps.append(TAPS[mode](placed(position, size, padding_mode, align_corners)))
    out = sample(input.flatten(2), spatial, taps)
    return cast(out.reshape(*shape[:2], *points[1:-1]), dtype=given)


def tap_inside(coordinate: np.ndarray, size: int, padding_mode: str, align_corners: bool) -> np.ndarray:
    """An integer coordinate after padding."""
    return placed(wrap(coordinate), size, padding_mode, align_corners).array


def with_default(align_corners) -> bool:
    """`align_corners`, False with a warning where it was not given."""
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired.",
            stacklevel=3,
        )
    return bool(align_corners)


def check_grid(shape: list, points: list, mode: str) -> None:
    """RuntimeError for an input and a grid that do not fit together."""
    found = f"but got input with sizes {shape} and grid with sizes {points}"
    if not shape or not points or shape[0] != points[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, {found}")
    if points[-1] != len(shape) - 2:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {len(shape) - 2} in last dimension, {found}")
    if len(shape) not in (4, 5) or len(points) != len(shape):
        raise RuntimeError(f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, {found}")
    if 0 in shape[2:]:
        raise RuntimeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, {found}")
    if mode == "bicubic" and len(shape) != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


@function(torch="nn.functional.affine_grid")
def affine_grid(theta, size, align_corners=None) -> Tensor:
    """The grid that samples an image of `size` (N, C, *out) through affine maps theta (N, d, d + 1): (N, *out, d)."""
    align_corners = with_default(align_corners)
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms. Got size {size}."
        )
    d = len(size) - 2
    if theta.array.ndim != 3 or theta.array.shape[1:] != (d, d + 1):
        raise ValueError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.array.shape[0] != size[0]:
        raise RuntimeError(f"affine_grid(): expected {size[0]} matrices for size {size}, but got {theta.shape}")
    dtype = theta.array.dtype
    axes = [centres(n, align_corners) for n in reversed(size[2:])]  # x, y, (z)
    points = np.ones((*size[2:], d + 1))
    for k, axis in enumerate(axes):
        points[..., k] = axis.reshape(-1, *[1] * k)
    base = wrap(points.astype(dtype).reshape(1, -1, d + 1))
    return base.matmul(theta.transpose(1, 2)).reshape(size[0], *size[2:], d)


def centres(n: int, align_corners: bool) -> np.ndarray:
    """The centres of n pixels between -1 and 1; with align_corners the first and last are at -1 and 1."""
    if n <= 1:
        return np.zeros(n)
    points = np.linspace(-1, 1, n)
    return points if align_corners else points * (n - 1) / n
